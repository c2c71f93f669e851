"""Keep one modality from starving the other: losses of each branch, gradient modulation."""

import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float, Shaped
from torch import Generator, Tensor, nn

TINIEST = 1e-300  # a modality that is surely wrong everywhere scores 0
Opinions = Mapping[str, Float[Tensor, "row scene"]]


def unimodal_loss(
    opinions: Opinions,
    targets: Shaped[Tensor, "row ..."],
    criterion: Callable[[Tensor, Tensor], Tensor],
) -> Float[Tensor, ""]:
    """Return the sum over modalities of the loss of each one's own logits."""
    return torch.stack([criterion(logits, targets) for logits in opinions.values()]).sum()


@torch.no_grad()
def ogm_coefficients(
    opinions: Opinions, targets: Shaped[Tensor, "row ..."], *, alpha: float
) -> dict[str, float]:
    """Return what to multiply each branch's gradients with: below 1 for the modality that leads.

    With s_u the sum over the batch of the probability that modality u gives to the true scene, and
    rho_u = s_u / s_other: 1 - tanh(alpha * rho_u) where rho_u > 1, else 1.

    Args:
        opinions: logits of each of two modalities.
        targets: the scene of each row, or a distribution over scenes.
        alpha: strength; 0 changes nothing.

    Raises:
        ValueError: if there are not two modalities.

    References:
        Peng et al., Balanced multimodal learning via on-the-fly gradient modulation, CVPR 2022.
    """
    if len(opinions) != 2:
        raise ValueError(f"gradient modulation compares two modalities, but got {sorted(opinions)}")
    (one, s_one), (two, s_two) = ((m, _score(z, targets)) for m, z in opinions.items())
    rho = {one: s_one / max(s_two, TINIEST), two: s_two / max(s_one, TINIEST)}
    return {m: 1 - math.tanh(alpha * r) if r > 1 else 1.0 for m, r in rho.items()}


def modulate(
    branches: Mapping[str, nn.Module],
    coefficients: Mapping[str, float],
    *,
    noise: bool,
    generator: Generator | None = None,
) -> None:
    """Multiply the gradients of each branch in place, between backward and the optimizer's step.

    Args:
        branches: the parameters of each modality.
        coefficients: of each modality.
        noise: add Gaussian noise as wide as the parameter's gradient was (GE).
        generator: of the noise, on the CPU.

    References:
        Peng et al., CVPR 2022. Their code modulates convolution kernels alone; a branch on cached
        embeddings has none, so every parameter of it is modulated. Adam, which divides by the
        gradient's size, undoes most of a coefficient that stays the same; SGD keeps it.
    """
    for m, branch in branches.items():
        for p in branch.parameters():
            if p.grad is None:
                continue
            spread = p.grad.std() if noise and p.numel() > 1 else None
            p.grad.mul_(coefficients[m])
            if spread is not None:
                drawn = torch.randn(p.shape, generator=generator, dtype=p.dtype)
                p.grad.add_(drawn.to(p.device, non_blocking=True) * spread)


def _score(logits: Float[Tensor, "row scene"], targets: Shaped[Tensor, "row ..."]) -> float:
    probs = logits.double().softmax(1)
    if targets.ndim == 1:
        return probs.gather(1, targets[:, None]).sum().item()
    return (probs * targets).sum().item()
