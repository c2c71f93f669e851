"""One clip of the demo world: its truth, its wav and its mp4."""

import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soundfile
from jaxtyping import Bool, Float32, UInt8

from avsc.datasets.demo import acoustics, pictures
from avsc.datasets.demo.acoustics import Acoustics
from avsc.datasets.demo.pictures import Look
from avsc.datasets.demo.scenes import EVENT_PROBABILITY, OBJECT_PROBABILITY, SCENES, sample

SAMPLE_RATE = 48000
Write = Callable[[Path, bytes], object]
EVENT_PERSISTENCE, OBJECT_PERSISTENCE = 0.5, 0.6

# A GOP a second: no second borrows from another. For bytes that repeat: one thread, and no mbtree,
# which in this x264 reads memory that it never wrote (1 in 10 encodings of one clip differed).
X264 = {
    "preset": "superfast",
    "crf": "23",
    "sc_threshold": "0",
    "threads": "1",
    "x264-params": "mbtree=0",
}


@dataclass(frozen=True)
class Recording:
    """What is to be recorded; `location` is "<city>-<number>"."""

    scene: str
    location: str
    segment: int
    seed: int
    seconds: int
    width_px: int
    height_px: int
    fps: int

    @property
    def clip_id(self) -> str:
        """The name of the clip in the manner of TAU."""
        return f"{self.scene}-{self.location}-{self.segment}"

    def rng(self, *about: str) -> np.random.Generator:
        """Return the source of chance for one matter, whatever was drawn for others before."""
        return np.random.default_rng([self.seed, *(zlib.crc32(word.encode()) for word in about)])


@dataclass(frozen=True)
class Truth:
    """What sounds and what shows in each second of a clip."""

    clip_id: str
    sounding: Bool[np.ndarray, "second event"]
    visible: Bool[np.ndarray, "second object"]


def record(recording: Recording, root: Path, write: Write) -> Truth:
    """Write `audio/<clip_id>.wav` and `video/<clip_id>.mp4` under `root`; return their truth."""
    truth = happen(recording)
    write(root / f"audio/{truth.clip_id}.wav", _wav(_waveform(recording, truth)))
    write(root / f"video/{truth.clip_id}.mp4", _mp4(recording, truth))
    return truth


def happen(recording: Recording) -> Truth:
    """Return what happens in the clip."""
    scene, seconds = SCENES.index(recording.scene), recording.seconds
    rng = recording.rng("truth", recording.clip_id)
    return Truth(
        recording.clip_id,
        sample(rng, EVENT_PROBABILITY[scene], seconds=seconds, persistence=EVENT_PERSISTENCE),
        sample(rng, OBJECT_PROBABILITY[scene], seconds=seconds, persistence=OBJECT_PERSISTENCE),
    )


def _waveform(recording: Recording, truth: Truth) -> Float32[np.ndarray, "2 sample"]:
    place = Acoustics.draw(recording.rng("acoustics", recording.location))
    rng = recording.rng("audio", truth.clip_id)
    return acoustics.record(rng, acoustics.play(rng, truth.sounding), place)


def _wav(waveform: Float32[np.ndarray, "2 sample"]) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, waveform.T, SAMPLE_RATE, subtype="PCM_24", format="WAV")
    return file.getvalue()


def _mp4(recording: Recording, truth: Truth) -> bytes:
    size = {"width_px": recording.width_px, "height_px": recording.height_px}
    look = Look.draw(recording.rng("look", recording.location))
    rng = recording.rng("video", truth.clip_id)
    wide = pictures.wide(rng, truth.visible, look, **size)
    aims = pictures.shake(rng, look, num_frames=recording.seconds * recording.fps)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=recording.fps, options=X264)
        stream.width, stream.height, stream.pix_fmt = *size.values(), "yuv420p"
        stream.gop_size = recording.fps
        for k, aim in enumerate(aims):
            picture = pictures.crop(wide[k // recording.fps], aim, **size)
            container.mux(stream.encode(_frame(picture)))
        container.mux(stream.encode())
    return file.getvalue()


def _frame(picture: UInt8[np.ndarray, "height width 3"]) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
