"""Read sound at its own rate and cut it into seconds at the wanted rate, each on its own.

libsndfile reads the lossless sound files, FFmpeg every other file: libsndfile conceals broken mp3.
One channel gives two equal ones, two stay as they are, more are mixed down (see `channels`).
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from av.audio.plane import AudioPlane
from jaxtyping import Float32

from avsc.media import channels
from avsc.media.blocks import Line
from avsc.media.container import Track, check_duration, check_file, demuxed, failure
from avsc.media.signatures import is_sound_file

TOLERANCE_S = 0.1  # a clip may be so much shorter or longer than its whole seconds
MAX_PEAK = 4.0  # codecs overshoot 1 a little; beyond this the file is not in [-1, 1]
RATES_HZ = range(4000, 192_001)
QUALITY = "VHQ"  # soxr: aliases under -150 dB, at the speed of HQ
BLOCK = 2**16  # samples
DTYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}

Samples = Float32[np.ndarray, "sample channel"]
Parts = Float32[np.ndarray, "channel 2"]


@dataclass(frozen=True)
class Sound:
    """All samples of a file.

    Attributes:
        samples: in [-1, 1], of one or two channels.
        rate: in Hz.
        notes: what is odd about the sound and was put right.
    """

    samples: Samples
    rate: int
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Return how long it lasts."""
        return len(self.samples) / self.rate


def of(path: Path) -> Sound:
    """Return the sound of a sound file or container; what the file holds decides how it is read.

    Raises:
        DecodeError: if the file is missing, broken, cut off, too long, or its channels are unknown.
    """
    check_file(path)
    found = from_file(path) if is_sound_file(path) else None
    if found is not None:
        return found
    with demuxed(path, "audio") as (track,):
        return from_track(track)


def from_file(path: Path) -> Sound | None:
    """Return the sound of a sound file, or None for one whose header or encoding FFmpeg reads.

    Raises:
        DecodeError: if the file is broken, cut off, too long, or its channels are unknown.
    """
    try:
        file = soundfile.SoundFile(path)
    except soundfile.SoundFileError:
        return None
    with file:
        # A recorder that lost its power leaves a length of 0 in the header.
        if not file.frames or file.subtype.startswith("MPEG"):
            return None
        _check_rate(path, file.samplerate)
        check_duration(path, file.frames / file.samplerate)
        parts, notes = _mix(path, _layout(path, file.channels))
        try:
            blocks = file.blocks(BLOCK, dtype="float32", always_2d=True)
            samples = np.concatenate([_stereo(block, parts) for block in blocks])
        except soundfile.SoundFileError as error:
            cause = f"broken or cut off ({str(error).split(': ')[-1].rstrip('.')}); fetch it again"
            raise failure(path, 0, cause) from error
        _check_whole(path, file, len(samples))
        return Sound(samples, file.samplerate, notes)


def _layout(path: Path, count: int) -> tuple[str, ...]:
    if count <= channels.NOT_MIXED:
        return ("",) * count
    with demuxed(path, "audio") as (track,):
        return track.layout


def _check_whole(path: Path, file: soundfile.SoundFile, found: int) -> None:
    expected = file.frames
    # libsndfile takes what there is of a wav and tells its log; 4 GiB is the size of a pipe.
    if log := re.search(r"data *: (\d+) \(should be (\d+)\)", file.extra_info):
        declared, there = map(int, log.groups())
        expected = file.frames * declared // max(there, 1) if declared < 2**31 - 2**16 else 0
    if found < expected - TOLERANCE_S * file.samplerate:
        at, end = found / file.samplerate, expected / file.samplerate
        raise failure(path, at, f"the file is cut off: it says {end:.3f} s; fetch it again")


def from_track(track: Track) -> Sound:
    """Return the sound of a container's track from time zero on.

    Sound lies where its timestamps say (see `blocks`). A track that starts after time zero is
    preceded by zeros; what lies before is left out.

    Raises:
        DecodeError: if a packet is broken, rate or channels change, time jumps, or the channels
            are unknown.
    """
    parts, notes = _mix(track.path, track.layout)
    line = None
    for frame in track.decode(track.packets):
        now = frame.sample_rate, frame.layout.nb_channels
        if line is None:
            _check_rate(track.path, frame.sample_rate)
            names = tuple(channel.name for channel in frame.layout.channels)
            if channels.UNNAMED not in names:  # the decoder's order counts, not the container's
                parts, notes = _mix(track.path, names)
            shape, line = now, Line(track.path, frame.sample_rate)
        elif now != shape:
            cause = f"(rate in Hz, channels) changes from {shape} to {now}; convert the file"
            raise failure(track.path, line.end, cause)
        is_timed = frame.pts is not None and not (track.is_counted and line.blocks)
        line.add(_stereo(_samples(frame), parts), track.seconds(frame.pts) if is_timed else None)
        check_duration(track.path, line.end)  # packets may hold more than their timestamps say
    if line is None:
        raise failure(track.path, 0, "its sound track holds no sound; name a file that has some")
    return Sound(line.from_zero(), line.rate, (*track.notes, *notes, *line.notes()))


def _samples(frame: av.AudioFrame) -> Samples:
    # AudioFrame.planes reads past eight planes.
    count, is_planar = frame.layout.nb_channels, frame.format.is_planar
    dtype = DTYPES[frame.format.name.removesuffix("p")]
    width = 1 if is_planar else count
    planes = [
        np.frombuffer(memoryview(AudioPlane(frame, i)), dtype, frame.samples * width)
        for i in range(count if is_planar else 1)
    ]
    samples = np.stack(planes, axis=1) if is_planar else planes[0].reshape(-1, count)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    full_scale = 2.0 ** (8 * samples.itemsize - 1) if samples.dtype.kind == "i" else 1.0
    return (samples / full_scale).astype(np.float32)


def _mix(path: Path, names: Sequence[str]) -> tuple[Parts | None, tuple[str, ...]]:
    """Return how channels are mixed down, None where they stay as they are, and what to say."""
    if 1 <= len(names) <= channels.NOT_MIXED:
        return None, ()
    parts = channels.mix(names)
    if parts is None:
        found = "unnamed" if channels.UNNAMED in names else "+".join(names)
        cause = f"{len(names)} channels ({found}), expected mono, stereo or a layout up to 7.1"
        raise failure(path, 0, f"{cause}; mix the sound to stereo")
    return parts, (f"{len(names)} channels ({'+'.join(names)}) are mixed down to stereo",)


def _stereo(block: Samples, parts: Parts | None) -> Float32[np.ndarray, "sample heard"]:
    return block if parts is None else channels.mixed(block, parts)


def whole_seconds(path: Path, sound: Sound, seconds: int | None) -> int:
    """Return how many segments the clip has: `seconds`, or (None) what its sound holds.

    Raises:
        DecodeError: if the sound is more than TOLERANCE_S off `seconds`, or lasts less than 1 s.
    """
    found_s = sound.seconds
    if seconds is None:
        if count := math.floor(found_s + TOLERANCE_S):
            return count
        cause = f"the sound lasts {found_s:.3f} s, expected at least 1 s; leave the clip out"
        raise failure(path, found_s, cause)
    if abs(found_s - seconds) > TOLERANCE_S:
        raise failure(
            path,
            min(found_s, seconds),
            f"the sound lasts {found_s:.3f} s, expected {seconds} s (within {TOLERANCE_S} s); "
            "set decode.seconds to the clips' length (null: each clip's own)",
        )
    return seconds


def segments(
    path: Path, sound: Sound, *, first: int = 0, count: int, sample_rate: int
) -> Float32[np.ndarray, "{count} 2 {sample_rate}"]:
    """Cut `count` seconds from `first` on at the file's own rate, then resample each alone.

    No sample of a second depends on another second: to the resampler, silence surrounds it.

    Raises:
        DecodeError: if a sample is not finite or far outside [-1, 1].
    """
    check_samples(path, sound)
    rate = sound.rate
    wanted = _fit(sound.samples[first * rate :], count * rate).reshape(count, rate, -1)
    one_second = [soxr.resample(second, rate, sample_rate, quality=QUALITY) for second in wanted]
    cut = np.stack([_fit(second, sample_rate).T for second in one_second])
    return np.clip(np.broadcast_to(cut, (count, 2, sample_rate)), -1, 1)


def _check_rate(path: Path, rate: int) -> None:
    if rate not in RATES_HZ:
        low, high = RATES_HZ[0], RATES_HZ[-1]
        raise failure(path, 0, f"sampled at {rate} Hz, expected {low} to {high} Hz; resample it")


def check_samples(path: Path, sound: Sound) -> None:
    """Check the samples.

    Raises:
        DecodeError: if one is not finite or far outside [-1, 1].
    """
    samples = sound.samples
    if max(samples.max(), -samples.min()) <= MAX_PEAK:  # false where one is NaN
        return
    peak = np.abs(samples).max(axis=1)
    if len(bad := np.flatnonzero(~np.isfinite(peak))):
        raise failure(path, bad[0] / sound.rate, "a sample is not finite; write the file again")
    if peak.max() > MAX_PEAK:
        cause = f"a sample is {peak.max():.6g}, expected -1 to 1; scale the sound"
        raise failure(path, peak.argmax() / sound.rate, cause)


def _fit(samples: Samples, length: int) -> Float32[np.ndarray, "{length} channel"]:
    samples = samples[:length]
    return np.pad(samples, ((0, length - len(samples)), (0, 0)))
