"""A corpus of media files, each with what a reader must find in it.

Second k of the sound is a tone, left and right apart; second k of the pictures is a gray level. A
reader that drops, shifts or repeats anything finds a wrong tone or gray in some second. What is
expected comes from what was written, never from a decoder.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SECONDS, FPS = 3, 25
GRAYS = (40, 110, 180)
LEFT_HZ, RIGHT_HZ = (500, 900, 1300), (700, 1100, 1500)
AMPLITUDE = 0.4
LAYOUTS = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")  # of 1 to 8 channels
FRONT = {"mono": 1, "stereo": 1, "3.0": 1.7071, "quad": 1.7071, "5.0": 2.4142, "5.1": 2.4142}
FRONT |= {"6.1": 2.9142, "7.1": 3.1213}  # the sum of the coefficients, by which FL is divided
HOLE_S = 0.07  # three or four packets, 60 to 100 ms
BIT_RATES = {"wmav2": 128_000, "libopencore_amrnb": 12_200}
PACKET_S = 0.035  # no packet of sound here lasts longer


@dataclass(frozen=True)
class Case:
    """A file and what is to be read from it.

    Attributes:
        ending: of its name; it says which container FFmpeg writes.
        sound: codec, or "".
        pictures: codec, or "".
        channels: of the sound.
        rate_hz: of the sound.
        oddity: a key of STARTS, HOLES, MANGLED or NAMED, "subtitle outlasts", or "".
        refusal: the error to expect, a regular expression; "" for a file that is to be read.
    """

    ending: str
    sound: str = ""
    pictures: str = ""
    channels: int = 2
    rate_hz: int = 48000
    oddity: str = ""
    refusal: str = ""

    @property
    def name(self) -> str:
        """Return a name that says all of it."""
        parts = [self.sound, f"{self.channels}ch", f"{self.rate_hz}Hz"] if self.sound else []
        return "-".join(p for p in (self.pictures, *parts, self.oddity) if p) + f".{self.ending}"

    @property
    def layout(self) -> str:
        """Return FFmpeg's name of the channel layout."""
        named = self.channels <= len(LAYOUTS)
        return LAYOUTS[self.channels - 1] if named else f"{self.channels}C"


# oddity: (start of the sound, start of the pictures), in s
STARTS = {"sound late": (0.3, 0.0), "pictures late": (0.0, 0.3), "both late": (5.0, 5.0)}
STARTS |= {"pictures very late": (0.0, 1.7)}
HOLES = {
    "holes": tuple((k + 0.4, k + 0.4 + HOLE_S) for k in range(SECONDS)),
    "a long hole": ((1.2, 1.7),),
}


def write(case: Case, folder: Path) -> Path:
    """Write the file of a case."""
    path = folder / case.name.replace(" ", "_")
    with av.open(path, "w") as file:
        streams = []
        if case.pictures:
            streams.append(_video(file, case))
        if case.sound:
            streams.append(_audio(file, case))
        if case.oddity == "subtitle outlasts":
            _subtitle(file)
        packets = [
            p for stream, frames, late_s in streams for p in _encoded(stream, frames, late_s)
        ]
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            if not _is_lost(packet, case):
                file.mux(packet)
    return _mangled(path, case.oddity)


def _video(file, case):
    stream = file.add_stream(case.pictures, rate=FPS)
    stream.width, stream.height = (176, 144) if case.pictures == "h263" else (64, 48)
    stream.pix_fmt = {"mjpeg": "yuvj420p", "ffv1": "yuv420p"}.get(case.pictures, "yuv420p")
    stream.gop_size = 12
    if case.pictures in ("libx264", "libx265"):
        stream.options = {"preset": "ultrafast", "x265-params": "log-level=none"}
        if case.pictures == "libx264":
            stream.options = {"preset": "ultrafast", "bf": "2"}
    frames = []
    for i in range(SECONDS * FPS):
        level = np.full((stream.height, stream.width, 3), GRAYS[i // FPS], np.uint8)
        frame = av.VideoFrame.from_ndarray(level, format="rgb24")
        frame.pts, frame.time_base = i, Fraction(1, FPS)
        frames.append(frame)
    return stream, frames, STARTS.get(case.oddity, (0.0, 0.0))[1]


def _audio(file, case):
    stream = file.add_stream(case.sound, rate=case.rate_hz)
    stream.layout = case.layout
    if case.sound in BIT_RATES:
        stream.bit_rate = BIT_RATES[case.sound]
    sound = tones(case)
    frames = []
    for first in range(0, len(sound), 1024):
        block = np.ascontiguousarray(sound[first : first + 1024].reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(block, format="flt", layout=case.layout)
        frame.rate, frame.pts, frame.time_base = case.rate_hz, first, Fraction(1, case.rate_hz)
        frames.append(frame)
    return stream, frames, STARTS.get(case.oddity, (0.0, 0.0))[0]


def tones(case: Case) -> np.ndarray:
    """Return (sample, channel): tones in the first two channels, the others silent."""
    t = np.arange(SECONDS * case.rate_hz) / case.rate_hz
    sound = np.zeros((len(t), case.channels), np.float32)
    for channel, hz in enumerate((LEFT_HZ, RIGHT_HZ)[: case.channels]):
        sound[:, channel] = AMPLITUDE * np.sin(2 * np.pi * np.array(hz)[t.astype(int)] * t)
    return sound


def _encoded(stream, frames, late_s):
    for frame in (*frames, None):
        for packet in stream.encode(frame):
            ticks = round(late_s / packet.time_base)
            packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
            yield packet


def _is_lost(packet, case):
    at = float(packet.pts * packet.time_base)
    holes = HOLES.get(case.oddity, ()) if packet.stream.type == "audio" else ()
    return any(start <= at < end for start, end in holes)


def _subtitle(file):
    packet = av.Packet(b"hello")
    packet.stream, packet.time_base = file.add_mux_stream("subrip"), Fraction(1, 1000)
    packet.pts = packet.dts = 1000
    packet.duration = 14_000
    file.mux(packet)


ID3 = b"ID3\4\0\0\0\0\0\x23TSSE" + bytes(0x23 - 4)
MANGLED = {
    "cut at a half": lambda c: c[: len(c) // 2],
    "cut at 0.7": lambda c: c[: len(c) * 7 // 10],
    "cut in its header": lambda c: c[:20],
    "joined": lambda c: c + c,
    "joined by a tag": lambda c: c + ID3 + c,
    "tags after it": lambda c: c + b"TAG" + bytes(125),
    "zeros after it": lambda c: c + bytes(4096),
    "sizes of 0": lambda c: (
        c[:4] + bytes(4) + c[8 : (n := c.index(b"data") + 4)] + bytes(4) + c[n + 4 :]
    ),
}
NAMED = {"named wav": ".wav", "named mp4": ".mp4", "named mp3": ".mp3", "without a name": ""}


def _mangled(path: Path, oddity: str) -> Path:
    if oddity in MANGLED:
        path.write_bytes(MANGLED[oddity](path.read_bytes()))
    if oddity in NAMED:
        return path.rename(path.with_suffix(NAMED[oddity]))
    return path


# what is to be read


def sound_at(case: Case, start_s: float, end_s: float) -> set[int | None]:
    """Return which tones sound between two times of the file; None is silence."""
    late = STARTS.get(case.oddity, (0.0, 0.0))[0] % 5  # where both are late, time zero is, too
    repeated = case.oddity.startswith("joined")
    seconds = range(math.floor(start_s - late), math.floor(end_s - late) + 1)
    found = {k % SECONDS if 0 <= k < SECONDS or (repeated and k >= 0) else None for k in seconds}
    holes = HOLES.get(case.oddity, ())  # as far as the last packet that begins there
    lost = any(start_s < end + PACKET_S and start < end_s for start, end in holes)
    return found | ({None} if lost else set())


def gray_at(case: Case, at_s: float) -> int:
    """Return the gray level on display at a time of the file."""
    late = STARTS.get(case.oddity, (0.0, 0.0))[1] % 5
    return GRAYS[min(max(math.floor(at_s - late), 0), SECONDS - 1)]


def level(case: Case) -> float:
    """Return the amplitude of a tone after the mix to stereo."""
    return AMPLITUDE / FRONT[case.layout]
