"""What a head takes: its arguments, and the strategies of `fit`."""

from avsc.params.checks import Arguments, argument_faults
from avsc.params.fields import Fault
from avsc.params.signatures import methods, signature
from avsc.training.options import NEEDS

HEAD_GETS = ("dims", "num_classes")


def head_faults(head: str, hparams: Arguments, fit: Arguments) -> list[Fault]:
    """Return arguments that a head does not take, and strategies of `fit` that it cannot do."""
    module = f"heads.{head}"
    found = signature(module, "Head")
    faults = argument_faults(found, hparams, ("hparams",), apart=HEAD_GETS, by=f"head {head}")
    has = methods(module, "Head")
    for strategy, needed in NEEDS.items():
        lacking = [m for m in needed if m not in has]
        if fit.get(strategy) and lacking:
            text = (
                f"head {head} has no {' and no '.join(lacking)}; set it to 0 or take another head"
            )
            faults.append(Fault(("fit", strategy), text))
    return faults
