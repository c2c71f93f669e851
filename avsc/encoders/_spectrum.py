"""What the audio encoders share: checks, channels, short-time magnitudes and mel filters."""

import numpy as np
import soxr
from jaxtyping import Float32, Float64

Waveform = Float32[np.ndarray, "row 2 sample"]


def check_scope(scope: str) -> None:
    """Raise a ValueError unless `scope` is one of the two there are."""
    if scope not in ("segment", "clip"):
        raise ValueError(f"scope is {scope!r}; expected 'segment' or 'clip'")


def check_waveform(x: np.ndarray, *, scope: str, sample_rate: int) -> None:
    """Raise a ValueError unless `x` is float32 (row, 2, sample) of whole seconds, all finite."""
    if x.dtype != np.float32:
        raise ValueError(f"waveform is {x.dtype}; expected float32 in [-1, 1]")
    if x.ndim != 3 or x.shape[1] != 2 or len(x) == 0:
        raise ValueError(
            f"waveform has shape {x.shape}; expected (row, 2, sample) and at least one row; "
            "give a mono signal as two equal channels"
        )
    seconds, rest = divmod(x.shape[2], sample_rate)
    if rest or seconds == 0 or (scope == "segment" and seconds != 1):
        expected = "one second" if scope == "segment" else "whole seconds"
        raise ValueError(
            f"rows have {x.shape[2]} samples; scope {scope!r} takes {expected} of {sample_rate} "
            "samples; leave sample_rate out, or set it to the rate of decode"
        )
    if not np.isfinite(x).all():
        row = int(np.flatnonzero(~np.isfinite(x).all(axis=(1, 2)))[0])
        raise ValueError(f"row {row} of the waveform holds NaN or infinity; decode it again")


def samples(seconds: float, *, sample_rate: int) -> int:
    """Return the whole number of samples nearest to a length in seconds.

    Raises:
        ValueError: if there is none.
    """
    if (count := round(seconds * sample_rate)) < 1:
        raise ValueError(
            f"{seconds} s hold no sample at {sample_rate} Hz; give window_s and hop_s in seconds"
        )
    return count


def mid(x: Waveform) -> Float32[np.ndarray, "row sample"]:
    """Return the mean of both channels, (L + R) / 2."""
    return (x[:, 0] + x[:, 1]) / 2


def mid_side(x: Waveform) -> Waveform:
    """Return (L + R) / 2 and (L - R) / 2."""
    return np.stack([mid(x), (x[:, 0] - x[:, 1]) / 2], axis=1)


def resampled(
    sound: Float32[np.ndarray, "row sample"], *, rate: int, wanted: int
) -> Float32[np.ndarray, "row other"]:
    """Return whole seconds of each row at the wanted rate in Hz; silence surrounds a row."""
    if rate == wanted:
        return sound
    return np.ascontiguousarray(soxr.resample(sound.T, rate, wanted, quality="VHQ").T)


def magnitude(
    waveform: Float32[np.ndarray, "*row sample"],
    window: Float32[np.ndarray, " tap"],
    *,
    hop_length: int,
    n_fft: int,
    center: bool,
) -> Float32[np.ndarray, "*row frame bin"]:
    """Return |STFT|; no window reaches beyond the row.

    Args:
        waveform: rows, each on its own.
        window: its length is the length of a frame, in samples.
        hop_length: step between frames, in samples.
        n_fft: length that a frame is filled up to with zeros.
        center: mirror half a window at both ends of the row, so that frame k is centred at sample
            k * hop_length and there are 1 + sample // hop_length frames; otherwise only windows
            that lie inside the row, 1 + (sample - tap) // hop_length frames.
    """
    import scipy.fft  # 0.2 s to import, and networks need none of it

    if center:
        ends = [(0, 0)] * (waveform.ndim - 1) + [(len(window) // 2,) * 2]
        waveform = np.pad(waveform, ends, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(waveform, len(window), axis=-1)
    return np.abs(scipy.fft.rfft(frames[..., ::hop_length, :] * window, n=n_fft))


def mel_filters(
    *, sample_rate: int, n_fft: int, n_mels: int, f_min: float, f_max: float | None
) -> Float32[np.ndarray, "mel bin"]:
    """Return triangular filters on Slaney's mel scale, each of unit area over frequency.

    Args:
        sample_rate: in Hz.
        n_fft: length of the transform; there are n_fft // 2 + 1 bins.
        n_mels: number of filters.
        f_min: lower edge of the first filter, in Hz.
        f_max: upper edge of the last one, in Hz; None is half the sample rate.

    Raises:
        ValueError: if a filter is so narrow that no bin falls into it.
    """
    edges_hz = mel_edges(sample_rate=sample_rate, n_mels=n_mels, f_min=f_min, f_max=f_max)
    low, peak, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    bins_hz = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    slopes = np.minimum((bins_hz - low) / (peak - low), (high - bins_hz) / (high - peak))
    filters = np.maximum(slopes, 0) * 2 / (high - low)
    if empty := int((filters.max(axis=1) == 0).sum()):
        raise ValueError(
            f"{empty} of {n_mels} mel filters hold no bin of a {n_fft}-point spectrum; "
            "lower n_mels or lengthen the spectrum (n_fft, or window_s)"
        )
    return filters.astype(np.float32)


def mel_edges(
    *, sample_rate: int, n_mels: int, f_min: float, f_max: float | None
) -> Float64[np.ndarray, " edge"]:
    """Return the edges of `n_mels` filters in Hz; filter k spans edges k to k + 2.

    Raises:
        ValueError: if `f_max` is above half the sample rate.
    """
    highest = sample_rate / 2 if f_max is None else f_max
    if highest > sample_rate / 2:
        raise ValueError(
            f"f_max is {f_max} Hz; sound at {sample_rate} Hz reaches {sample_rate / 2:g} Hz; lower "
            "f_max or raise decode.sample_rate"
        )
    ends = _hz_to_mel(np.array([f_min, highest]))
    return _mel_to_hz(np.linspace(ends[0], ends[1], n_mels + 2))


def _hz_to_mel(hz: Float64[np.ndarray, " edge"]) -> Float64[np.ndarray, " edge"]:
    """Return mels: linear, 15 a 1000 Hz, up to 1000 Hz, then 27 each time hz grows by 6.4."""
    above = 15 + 27 * np.log(np.maximum(hz, 1000) / 1000) / np.log(6.4)
    return np.where(hz < 1000, hz * 15 / 1000, above)


def _mel_to_hz(mel: Float64[np.ndarray, " edge"]) -> Float64[np.ndarray, " edge"]:
    """Undo `_hz_to_mel`."""
    above = 1000 * 6.4 ** ((np.maximum(mel, 15) - 15) / 27)
    return np.where(mel < 15, mel * 1000 / 15, above)
