"""Train a small tagger on labelled items: a stand-in for weights that cannot be had."""

import torch
from jaxtyping import Bool, Float
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

    Returns:
        The mean training loss of each epoch.
    """
    order = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay, fused=True)
    steps = epochs * -(-len(inputs) // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, pct_start=0.1)
    targets, history = labels.float(), []
    model.train()
    bar = tqdm(range(epochs), desc="pretrain", unit="epoch")
    for _ in bar:
        losses = []
        for rows in torch.randperm(len(inputs), generator=order).split(batch_size):
            optimizer.zero_grad()
            _, logits = model(inputs[rows])
            loss = nn.functional.binary_cross_entropy_with_logits(logits, targets[rows])
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.detach())
        history.append(torch.stack(losses).mean().item())
        bar.set_postfix(loss=f"{history[-1]:.3f}")
    model.eval()
    return history
