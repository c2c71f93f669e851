"""Read sound at its own rate and cut it into seconds at the wanted rate, each on its own.

libsndfile reads the lossless sound files, FFmpeg every other file: libsndfile conceals broken mp3.
One channel gives two equal ones, two stay as they are, more are mixed down (see `channels`).
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import soundfile
import soxr
from jaxtyping import Float32

from avsc.media import channels
from avsc.media.blocks import Line, Samples, samples
from avsc.media.container import check_duration, check_file, demuxed
from avsc.media.signatures import is_sound_file
from avsc.media.track import DecodeError, Track, failure

TOLERANCE_S = 0.1  # a clip may be so much shorter or longer than its whole seconds
MAX_PEAK = 4.0  # codecs overshoot 1 a little; beyond this the file is not in [-1, 1]
RATES_HZ = range(4000, 192_001)
QUALITY = "VHQ"  # soxr: aliases under -150 dB, at the speed of HQ
BLOCK = 2**16  # samples
UNKNOWN = 2**62  # frames
MALFORMED = 3  # libsndfile's error; others are of files that it does not know
# The size of the samples of a wav, of all of a w64, aiff or rf64, and what there is.
SHORTENED = re.compile(
    r"^ *(?:data|riff|FORM|Riff size) *: (\d+) \(should be (\d+)\)", re.MULTILINE
)

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
    except soundfile.LibsndfileError as error:
        if error.code == MALFORMED and not _is_unfinished(path):
            raise _broken(path, error) from error
        return None
    with file:
        # A recorder that lost its power leaves a length of 0, a pipe an unknown one.
        if not 0 < file.frames < UNKNOWN or file.subtype.startswith("MPEG"):
            return None
        _check_rate(path, file.samplerate)
        check_duration(path, file.frames / file.samplerate)
        parts, notes = _mix(path, _layout(path, file.channels))
        try:
            nothing = np.zeros((0, file.channels), np.float32)
            blocks = chain([nothing], file.blocks(BLOCK, dtype="float32", always_2d=True))
            samples = np.concatenate([_stereo(block, parts) for block in blocks])
        except soundfile.SoundFileError as error:
            raise _broken(path, error) from error
        _check_whole(path, file, len(samples))
        return Sound(samples, file.samplerate, notes)


def _is_unfinished(path: Path) -> bool:
    """Return whether a caf leaves the size of its samples open: libsndfile wants it."""
    with path.open("rb") as f:
        return b"data" + b"\xff" * 8 in f.read(BLOCK)


def _broken(path: Path, error: soundfile.SoundFileError) -> DecodeError:
    cause = str(error).split(": ")[-1].rstrip(".")
    return failure(path, 0, f"broken or cut off ({cause}); fetch it again")


def _layout(path: Path, count: int) -> tuple[str, ...]:
    if count <= channels.NOT_MIXED:
        return ("",) * count
    with demuxed(path, "audio") as (track,):
        return track.layout


def _check_whole(path: Path, file: soundfile.SoundFile, found: int) -> None:
    expected = file.frames
    # libsndfile takes what there is and tells its log; 4 GiB is the size of a pipe.
    if log := SHORTENED.search(file.extra_info):
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
            # The decoder's order counts, not the container's.
            if channels.UNNAMED not in names or len(names) != len(track.layout):
                parts, notes = _mix(track.path, names)
            shape, line = now, Line(track.path, frame.sample_rate)
        elif now != shape:
            cause = f"(rate in Hz, channels) changes from {shape} to {now}; convert the file"
            raise failure(track.path, line.end, cause)
        is_timed = frame.pts is not None and not (track.is_counted and line.blocks)
        line.add(_stereo(samples(frame), parts), track.seconds(frame.pts) if is_timed else None)
        check_duration(track.path, line.end)  # packets may hold more than their timestamps say
    if line is None:
        raise failure(track.path, 0, "its sound track holds no sound; name a file that has some")
    return Sound(line.from_zero(), line.rate, (*track.notes, *notes, *line.notes()))


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
