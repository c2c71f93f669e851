"""Train a small tagger on labelled items: a stand-in for weights that cannot be had."""

from concurrent.futures import ThreadPoolExecutor

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from tqdm import tqdm


def fit(
    model: nn.Module,
    inputs: Float[Tensor, "item ..."],
    labels: Bool[Tensor, "item label"],
    *,
    epochs: int,
    batch_size: int,
    lr: float,
    weight_decay: float,
    seed: int,
    parts: int = 1,
) -> list[float]:
    """Fit `model` in place by binary cross-entropy, AdamW and one cosine cycle with warm-up.

    Args:
        model: inputs -> (embedding, logits).
        inputs: what the encoder's `prepare` gave.
        labels: which classes each item holds.
        epochs: passes over the items.
        batch_size: items a step.
        lr: highest learning rate.
        weight_decay: of AdamW.
        seed: of the order of the items.
        parts: of each batch, each in a thread of its own. The sum of their gradients depends on
            this number in its last bits, and not on the number of cores.

    Returns:
        The mean training loss of each epoch.

    Raises:
        ValueError: if there are several parts, and the network draws random numbers or keeps
            statistics of its batches: both would depend on which thread is first.
    """
    order = torch.Generator().manual_seed(seed)
    weights = list(model.parameters())
    optimizer = torch.optim.AdamW(weights, lr=lr, weight_decay=weight_decay, fused=True)
    steps = epochs * -(-len(inputs) // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, pct_start=0.1)
    targets, history = labels.float(), []
    model.train()
    if parts > 1:
        _check_divisible(model, inputs[:2])

    def step(rows: Int64[Tensor, " item"]) -> Float[Tensor, ""]:
        some = [part for part in rows.tensor_split(parts) if len(part)]
        found = threads.map(lambda r: _gradients(model, inputs[r], targets[r], len(rows)), some)
        losses, gradients = zip(*found, strict=True)
        for weight, own in zip(weights, zip(*gradients, strict=True), strict=True):
            # contiguous as the weights are, which the fused optimizer takes for granted
            weight.grad = None if own[0] is None else torch.stack(own).sum(dim=0)
        optimizer.step()
        schedule.step()
        return torch.stack(losses).sum()

    bar = tqdm(range(epochs), desc="pretrain", unit="epoch")
    with ThreadPoolExecutor(parts) as threads:
        for _ in bar:
            shuffled = torch.randperm(len(inputs), generator=order)
            losses = [step(rows) for rows in shuffled.split(batch_size)]
            history.append(torch.stack(losses).mean().item())
            bar.set_postfix(loss=f"{history[-1]:.3f}")
    model.eval()
    return history


def _gradients(
    model: nn.Module, inputs: Tensor, targets: Tensor, items: int
) -> tuple[Float[Tensor, ""], tuple[Tensor | None, ...]]:
    """Return what a part adds to the loss of a batch of so many items, and to its gradients."""
    _, logits = model(inputs)
    loss = nn.functional.binary_cross_entropy_with_logits(logits, targets)
    loss = loss * (len(targets) / items)
    return loss.detach(), torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)


def _check_divisible(model: nn.Module, inputs: Float[Tensor, "item ..."]) -> None:
    before = [torch.get_rng_state(), *(b.clone() for b in model.buffers())]
    with torch.no_grad():
        model(inputs)
    after = [torch.get_rng_state(), *model.buffers()]
    if not all(map(torch.equal, before, after)):
        raise ValueError(
            "the network draws random numbers or keeps statistics of its batches, as dropout and "
            "batch normalisation do, but fit.parts is above 1; set fit.parts to 1"
        )
