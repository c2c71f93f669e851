"""Kaldi's log-mel filter bank for many rows at once, in torch."""

import torch
from jaxtyping import Float, Float32
from torch import Tensor

FRAME_S, HOP_S = 0.025, 0.010
FLOOR = torch.finfo(torch.float32).eps


def frame_count(samples: int, sample_rate: int) -> int:
    """Return the number of whole 25 ms frames, one each 10 ms."""
    return 1 + (samples - int(sample_rate * FRAME_S)) // int(sample_rate * HOP_S)


def fbank(
    waveform: Float32[Tensor, "row sample"], *, sample_rate: int, num_mel_bins: int
) -> Float32[Tensor, "row frame mel"]:
    """Return ln of the power in mel bands from 20 Hz up, Hanning window, no dither.

    Each frame loses its own mean first, so removing the mean of the whole row would change nothing.

    References:
        torchaudio.compliance.kaldi.fbank, which takes one row at a time.
    """
    length, hop = int(sample_rate * FRAME_S), int(sample_rate * HOP_S)
    frames = waveform.unfold(-1, length, hop)
    frames = frames - frames.mean(dim=-1, keepdim=True)
    before = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
    frames = (frames - 0.97 * before) * torch.hann_window(length, periodic=False).to(frames)
    n_fft = 1 << (length - 1).bit_length()
    power = torch.fft.rfft(frames, n=n_fft).abs().square()[..., :-1]
    banks = mel_banks(n_fft, sample_rate=sample_rate, num_mel_bins=num_mel_bins).to(power)
    return (power @ banks.T).clamp(min=FLOOR).log()


def mel_banks(n_fft: int, *, sample_rate: int, num_mel_bins: int) -> Float32[Tensor, "mel bin"]:
    """Return triangles on Kaldi's mel scale, without a bin at half the sample rate.

    In float32 and in Kaldi's order of operations on purpose: where a band holds one bin at the foot
    of its triangle, a more exact weight would differ by far more than 1e-5.
    """
    low, high = (_mel(torch.tensor(hz, dtype=torch.float64)) for hz in (20.0, sample_rate / 2))
    step, band = float((high - low) / (num_mel_bins + 1)), torch.arange(num_mel_bins)[:, None]
    left, centre, right = (float(low) + (band + k) * step for k in (0.0, 1.0, 2.0))
    bins = _mel(sample_rate / n_fft * torch.arange(n_fft / 2))
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    return torch.minimum(rising, falling).clamp(min=0)


def _mel(hz: Float[Tensor, "*bin"]) -> Float[Tensor, "*bin"]:
    return 1127.0 * (1.0 + hz / 700.0).log()
