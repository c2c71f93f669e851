"""Read sound at its own rate and cut it into seconds at the wanted rate, each on its own.

soundfile reads the lossless sound files, FFmpeg every other file: libsndfile conceals broken mp3.
Channels are never mixed: a mono file gives two equal channels, more than two are an error.
"""

import math
import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from jaxtyping import Float32

from avsc.media.container import Track, check_duration, check_file, demuxed, failure

SOUND_FILES = {".wav", ".flac", ".aif", ".aiff", ".caf", ".w64", ".rf64"}
TOLERANCE_S = 0.1  # a clip may be so much shorter or longer than its whole seconds
MAX_GAP_S = 0.1  # the sound of a container may jump or overlap by so much
MAX_PEAK = 4.0  # codecs overshoot 1 a little; beyond this the file is not in [-1, 1]
RATES_HZ = range(4000, 192_001)
QUALITY = "VHQ"  # soxr: aliases under -150 dB, at the speed of HQ

Sound = Float32[np.ndarray, "sample channel"]


def of(path: Path) -> tuple[Sound, int]:
    """Return all samples of a sound file or container, and their rate in Hz."""
    if path.suffix.lower() in SOUND_FILES:
        return from_file(path)
    with demuxed(path, "audio") as (track,):
        return from_track(track)


def from_file(path: Path) -> tuple[Sound, int]:
    """Return all samples of a sound file, and their rate in Hz.

    Raises:
        DecodeError: if the file is missing, broken, cut off or too long.
    """
    check_file(path)
    try:
        with soundfile.SoundFile(path) as file:
            _check_format(path, file.samplerate, file.channels)
            check_duration(path, file.frames / file.samplerate)
            sound = file.read(dtype="float32", always_2d=True)
            _check_whole(path, file, len(sound))
            return sound, file.samplerate
    except soundfile.SoundFileError as error:
        cause = str(error).split(": ")[-1].rstrip(".") or "broken header"
        cause = f"no sound file that soundfile reads, or cut off ({cause}); fetch it again"
        raise failure(path, 0, cause) from error


def _check_whole(path: Path, file: soundfile.SoundFile, found: int) -> None:
    expected = file.frames
    # libsndfile takes what there is of a wav and tells its log; 4 GiB is the size of a pipe.
    if log := re.search(r"data *: (\d+) \(should be (\d+)\)", file.extra_info):
        declared, there = map(int, log.groups())
        expected = file.frames * declared // max(there, 1) if declared < 2**31 - 2**16 else 0
    if found < expected - TOLERANCE_S * file.samplerate:
        at, end = found / file.samplerate, expected / file.samplerate
        raise failure(path, at, f"the file is cut off: it says {end:.3f} s; fetch it again")


def from_track(track: Track) -> tuple[Sound, int]:
    """Return the samples of a container's track from time zero on, and their rate in Hz.

    A track that starts after time zero is preceded by zeros; what lies before is left out.

    Raises:
        DecodeError: if a packet is broken, or rate, channels or time jump.
    """
    blocks: list[Float32[np.ndarray, "channel sample"]] = []
    first = end = Fraction(0)
    shape = (0, 0)
    for frame in track.decode(track.packets):
        at = end if frame.pts is None and blocks else track.seconds(frame.pts)
        block, now = _planar(frame), (frame.sample_rate, frame.layout.nb_channels)
        if not blocks:
            _check_format(track.path, *now)
            first, shape = at, now
        elif now != shape:
            cause = f"(rate in Hz, channels) changes from {shape} to {now}; convert the file"
            raise failure(track.path, at, cause)
        elif abs(at - end) > MAX_GAP_S:
            cause = f"the sound before ends at {float(end):.3f} s; cut the file there"
            raise failure(track.path, at, cause)
        blocks.append(block)
        end = at + Fraction(block.shape[1], shape[0])
        check_duration(track.path, end)  # packets may hold more than their timestamps say
    if not blocks:
        raise failure(track.path, 0, "its sound track holds no sound; name a file that has some")
    return _from_zero(np.concatenate(blocks, axis=1).T, round(first * shape[0])), shape[0]


def _planar(frame: av.AudioFrame) -> Float32[np.ndarray, "channel sample"]:
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    full_scale = {np.dtype(np.int16): 2.0**15, np.dtype(np.int32): 2.0**31}
    return (samples / full_scale.get(samples.dtype, 1.0)).astype(np.float32)


def _from_zero(sound: Sound, start: int) -> Float32[np.ndarray, "shifted channel"]:
    return np.pad(sound, ((start, 0), (0, 0))) if start > 0 else sound[-start:]


def whole_seconds(path: Path, sound: Sound, rate: int, seconds: int | None) -> int:
    """Return how many segments the clip has: `seconds`, or (None) what its sound holds.

    Raises:
        DecodeError: if the sound is more than TOLERANCE_S off `seconds`, or lasts less than 1 s.
    """
    found_s = len(sound) / rate
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
    path: Path, sound: Sound, rate: int, *, count: int, sample_rate: int
) -> Float32[np.ndarray, "second 2 {sample_rate}"]:
    """Cut `count` seconds at the file's own `rate`, then resample each alone.

    No sample of a second depends on another second: to the resampler, silence surrounds it.

    Raises:
        DecodeError: if a sample is not finite or far outside [-1, 1].
    """
    check_samples(path, sound, rate)
    sound = _fit(sound, count * rate).reshape(count, rate, -1)
    one_second = [soxr.resample(second, rate, sample_rate, quality=QUALITY) for second in sound]
    cut = np.stack([_fit(second, sample_rate).T for second in one_second])
    return np.clip(np.broadcast_to(cut, (count, 2, sample_rate)), -1, 1)


def _check_format(path: Path, rate: int, channels: int) -> None:
    if rate not in RATES_HZ:
        low, high = RATES_HZ[0], RATES_HZ[-1]
        raise failure(path, 0, f"sampled at {rate} Hz, expected {low} to {high} Hz; resample it")
    if not 1 <= channels <= 2:
        raise failure(path, 0, f"{channels} channels, expected 1 or 2; mix the sound to stereo")


def check_samples(path: Path, sound: Sound, rate: int) -> None:
    """Check the samples.

    Raises:
        DecodeError: if one is not finite or far outside [-1, 1].
    """
    if max(sound.max(), -sound.min()) <= MAX_PEAK:  # false where one is NaN
        return
    peak = np.abs(sound).max(axis=1)
    if len(bad := np.flatnonzero(~np.isfinite(peak))):
        raise failure(path, bad[0] / rate, "a sample is not finite; write the file again")
    if peak.max() > MAX_PEAK:
        cause = f"a sample is {peak.max():.6g}, expected -1 to 1; scale the sound"
        raise failure(path, peak.argmax() / rate, cause)


def _fit(sound: Sound, length: int) -> Float32[np.ndarray, "{length} channel"]:
    sound = sound[:length]
    return np.pad(sound, ((0, length - len(sound)), (0, 0)))
