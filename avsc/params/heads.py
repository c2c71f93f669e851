"""What a head takes: its arguments, inputs of one modality, rows of some shape, and `fit`."""

from collections.abc import Mapping

from avsc.params.checks import Arguments, argument_faults
from avsc.params.fields import Fault, nearest, shown
from avsc.params.signatures import calls, constant, methods, names_in, signature
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
    return [*faults, *schedule_faults(fit.get("schedule"))]


def schedule_faults(schedule: object) -> list[Fault]:
    """Return what is wrong with the schedule of `fit`."""
    if not isinstance(schedule, dict):
        return []
    at, module = ("fit", "schedule"), "training.strategies.schedules"
    known = names_in(module, "SCHEDULES")
    name = schedule.get("name")
    if name not in known:
        return [Fault((*at, "name"), f"no schedule {name!r}{nearest(name, known)}")]
    given = {k: v for k, v in schedule.items() if k != "name"}
    found = signature(module, str(name))
    return argument_faults(found, given, at, apart=("optimizer",), by=f"schedule {name}")


def alone_faults(head: str, hparams: Arguments, modality: str) -> list[Fault]:
    """Return what a head cannot do with one modality."""
    module = f"heads.{head}"
    if calls(module, "Head", "pair"):
        text = f"head {head} fuses audio and video, but there is {modality} alone; take another"
        return [Fault(("inputs",), f"{text} head, such as early")]
    values = dict(signature(module, "Head").defaults) | dict(hparams)
    return [
        Fault(("hparams", key), f"head {head} needs {shown(need)} where there is {modality} alone")
        for key, need in (constant(module, "ALONE") or {}).items()
        if values.get(key) != need
    ]


def axes_faults(head: str, axes: Mapping[str, int | None]) -> list[Fault]:
    """Return rows that a head cannot take; `axes` is {modality: axes of a row, None: unknown}."""
    needed = constant(f"heads.{head}", "AXES") or {}
    return [
        Fault(("inputs",), f"head {head} takes {m} with rows of {n} axes, found {axes[m]}")
        for m, n in needed.items()
        if axes.get(m) not in (None, n)
    ]
