"""Reasons to doubt a finished training, each with what to set."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from avsc.training import validation
from avsc.training.folds import Fold
from avsc.training.options import Options
from avsc.training.strategies.calibration import fit_temperature

GAIN = 0.1  # of the validation loss, from which a temperature is worth a word


def drawn(head: nn.Module) -> dict[str, Tensor]:
    """Return copies of the parameters that mean nothing where they were drawn."""
    names: Mapping[str, float] = getattr(head, "drawn", {})
    return {name: head.get_parameter(name).detach().cpu().clone() for name in names}


def stays(head: Any, start: Mapping[str, Tensor], o: Options) -> Iterator[str]:
    """Yield a warning for each parameter that ended within the range it was drawn from."""
    for name, before in start.items():
        moved = (head.get_parameter(name).detach().cpu() - before).abs().max().item()
        if moved <= head.drawn[name]:
            yield (
                f"{name} was drawn from -{head.drawn[name]} to {head.drawn[name]} and moved by at "
                f"most {moved:.2g}, so it has hardly been learned; raise fit.lr ({o.lr}) or "
                f"fit.epochs ({o.epochs})"
            )


def overconfident(head: nn.Module, val: Fold, o: Options) -> Iterator[str]:
    """Yield a warning if one temperature lowers the validation loss a lot."""
    if o.temperature:
        return
    found, targets = validation.logits(head, val).double().cpu(), val.targets.cpu()
    temperature = fit_temperature(found.numpy(), targets.numpy())
    losses = [nn.functional.cross_entropy(found / t, targets).item() for t in (1.0, temperature)]
    if losses[0] - losses[1] > GAIN:
        yield (
            f"validation loss is {losses[0]:.3f}, and {losses[1]:.3f} at temperature "
            f"{temperature:.2f}: its probabilities are too sure or too unsure; set "
            "fit.temperature: true"
        )


def warnings(
    head: nn.Module, val: Fold, *, start: Mapping[str, Tensor], o: Options
) -> Iterator[str]:
    """Yield all reasons to doubt a trained head.

    Args:
        head: it, in evaluation mode.
        val: the validation fold, prepared.
        start: what `drawn` returned before training.
        o: how it was trained.
    """
    yield from stays(head, start, o)
    with torch.inference_mode():
        yield from overconfident(head, val, o)
