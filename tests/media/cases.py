"""The cases of the corpus: containers, codecs, channels, rates, oddities and truncations."""

from collections.abc import Sequence
from dataclasses import replace

from tests.media.corpus import SECONDS, Case

FILMS = (
    Case("mp4", "aac", "libx264"),
    Case("mp4", "alac", "libx264", rate_hz=44100),
    Case("mp4", "libmp3lame", "mpeg4", rate_hz=44100),
    Case("mp4", "ac3", "libx265"),
    Case("mov", "pcm_s16le", "libx264"),
    Case("mov", "pcm_s24le", "mjpeg", rate_hz=96000),
    Case("mkv", "pcm_s16le", "libx264"),
    Case("mkv", "aac", "libx264", rate_hz=44100),
    Case("mkv", "flac", "ffv1", rate_hz=32000),
    Case("mkv", "libopus", "libx264"),
    Case("webm", "libopus", "libvpx"),
    Case("webm", "libopus", "libvpx-vp9", channels=1),
    Case("avi", "pcm_s16le", "mpeg4", rate_hz=44100),
    Case("avi", "libmp3lame", "libx264"),
    Case("ts", "aac", "libx264"),
    Case("ts", "mp2", "mpeg2video"),
    Case("ts", "ac3", "libx264"),
    Case("mpg", "mp2", "mpeg2video", rate_hz=44100),
    Case("flv", "aac", "libx264", rate_hz=44100),
    Case("wmv", "wmav2", "wmv2", rate_hz=44100),
    Case("nut", "pcm_s16le", "mpeg4"),
    Case("mxf", "pcm_s16le", "mpeg2video"),
    Case("3gp", "aac", "h263", channels=1, rate_hz=16000),
)
SOUNDS = (
    Case("wav", "pcm_s16le"),
    Case("wav", "pcm_u8", rate_hz=22050),
    Case("wav", "pcm_s24le", rate_hz=44100),
    Case("wav", "pcm_f64le"),
    Case("wav", "pcm_mulaw", rate_hz=16000, channels=1),
    Case("wav", "adpcm_ms", rate_hz=44100),
    Case("w64", "pcm_s16le"),
    Case("flac", "flac", rate_hz=96000),
    Case("aiff", "pcm_s16be", rate_hz=44100),
    Case("caf", "alac"),
    Case("caf", "pcm_s16le", rate_hz=44100),
    Case("mp4", "libopus", rate_hz=24000),
    Case("mov", "pcm_alaw", rate_hz=8000, channels=1),
    Case("au", "pcm_s16be", rate_hz=16000),
    Case("mp3", "libmp3lame", rate_hz=44100),
    Case("aac", "aac", rate_hz=44100),
    Case("m4a", "aac", rate_hz=32000),
    Case("ogg", "libopus"),
    Case("ogg", "flac", rate_hz=44100),
    Case("ac3", "ac3"),
    Case("eac3", "eac3"),
    Case("wv", "wavpack", rate_hz=44100),
    Case("tta", "tta", rate_hz=44100),
    Case("wma", "wmav2", rate_hz=44100),
    Case("mka", "pcm_f32le", rate_hz=11025),
    Case("amr", "libopencore_amrnb", channels=1, rate_hz=8000),
)
SILENT = tuple(replace(film, sound="") for film in (FILMS[0], FILMS[7], FILMS[14], FILMS[10]))
UNNAMED = r"channels \(unnamed\), expected mono, stereo or a layout up to 7\.1; mix the sound to"
CUT = r"cut off|broken|cannot read on|the file is empty"


def seconds(case: Case) -> list[range]:
    """Return the seconds that may be read, any one of them."""
    if case.oddity == "pictures very late":
        return [range(1, SECONDS)]
    if case.oddity.startswith("cut"):
        return [range(n) for n in range(1, SECONDS + 1)]
    if case.oddity.startswith("joined"):
        return [range(2 * SECONDS)]
    return [range(SECONDS)]


def _of_channels(case: Case, most_named: int, counts: Sequence[int]) -> list[Case]:
    return [replace(case, channels=n, refusal="" if n <= most_named else UNNAMED) for n in counts]


MULTICHANNEL = [
    *_of_channels(Case("wav", "pcm_s16le"), 8, range(3, 17)),
    *_of_channels(Case("mov", "pcm_s24le", "libx264"), 8, range(3, 17)),
    *_of_channels(Case("mkv", "pcm_s16le"), 2, range(3, 17)),
    *_of_channels(Case("flac", "flac"), 8, range(3, 9)),
    *_of_channels(Case("mp4", "aac", "libx264"), 6, (3, 4, 5, 6, 7)),  # its 6.1 has no name
    *_of_channels(Case("mp4", "aac", "libx264"), 8, (8,)),
    *_of_channels(Case("ogg", "libopus"), 8, range(3, 9)),
    *_of_channels(Case("mp4", "alac"), 8, (3, 5, 6)),
    *_of_channels(Case("caf", "pcm_s16le"), 8, range(3, 9)),
    *_of_channels(Case("ts", "ac3", "libx264"), 6, range(3, 7)),
    *_of_channels(Case("mkv", "eac3"), 6, range(3, 7)),
]
RATES = [
    Case(ending, codec, rate_hz=rate)
    for ending, codec in (("wav", "pcm_s16le"), ("mkv", "pcm_s16le"), ("flac", "flac"))
    for rate in (8000, 11025, 16000, 22050, 32000, 44100, 88200, 96000, 176400, 192000)
]
ODD_RATES = [
    Case("wav", "pcm_s16le", rate_hz=rate, refusal=f"sampled at {rate} Hz, expected 4000 to 192000")
    for rate in (2000, 384_000)
]
TIMED = ("mp4", "mov", "mkv", "webm", "ts", "nut", "flv", "wmv")
STARTS = [
    replace(film, oddity=oddity)
    for film in FILMS
    if film.ending in TIMED
    for oddity in ("sound late", "pictures late", "both late", "pictures very late")
]
HOLES = [
    replace(film, oddity=oddity, refusal=refusal)
    for film in FILMS
    if film.ending in TIMED and film.ending != "mov" and film.sound not in ("flac", "alac")
    for oddity, refusal in (("holes", ""), ("a long hole", "the sound before ends at .*; cut the"))
]
STREAMS = ("ts", "mpg", "aac", "ogg", "ac3", "eac3", "amr", "nut")  # declare no length
CUTS = [
    replace(case, oddity=oddity, refusal="" if case.ending in STREAMS else CUT)
    for case in FILMS + SOUNDS
    for oddity in ("cut at a half", "cut at 0.7")
] + [replace(case, oddity="cut in its header", refusal=".") for case in FILMS + SOUNDS]
NAMES = [
    replace(case, oddity=oddity)
    for case in FILMS + SOUNDS
    for oddity in ("named wav", "named mp4", "named mp3", "without a name")
    if oddity != f"named {case.ending}"
]
BY_ENDING = {case.ending: case for case in reversed(FILMS + SOUNDS)}  # the first of each
TS, MPG, MKV, MP4 = (BY_ENDING[ending] for ending in ("ts", "mpg", "mkv", "mp4"))
MP3, AAC, AC3, WAV, FLAC = (BY_ENDING[ending] for ending in ("mp3", "aac", "ac3", "wav", "flac"))
JOINED = [
    *(replace(case, oddity="joined", refusal="the clock of its .*; cut the") for case in (TS, MPG)),
    *(replace(case, oddity="joined") for case in (MP3, AAC, AC3)),
    replace(MP3, oddity="joined by a tag"),
]
AFTER = [
    replace(case, oddity=oddity)
    for case in (MP3, AAC, AC3, WAV, FLAC, MP4)
    for oddity in ("tags after it", "zeros after it")
]
UNTIMED = "its pictures have no times; put them into an mp4"
OTHERS = [
    replace(WAV, oddity="sizes of 0"),
    replace(MKV, oddity="subtitle outlasts"),
    Case("h264", pictures="libx264", refusal=UNTIMED),
    Case("hevc", pictures="libx265", refusal=UNTIMED),
]
DEFAULT = [
    *FILMS,
    *SOUNDS,
    *SILENT,
    *JOINED,
    *OTHERS,
    *(case for case in STARTS + HOLES if case.ending == "mkv" and case.sound == "pcm_s16le"),
    *(case for case in MULTICHANNEL if case.ending == "mov" and case.channels in (3, 6, 8, 9, 16)),
    *(case for case in CUTS if replace(case, oddity="", refusal="") in (MP4, MKV, TS, WAV, MP3)),
]
ALL = [*DEFAULT, *MULTICHANNEL, *RATES, *ODD_RATES, *STARTS, *HOLES, *CUTS, *NAMES, *AFTER]
NIGHTLY = [case for case in dict.fromkeys(ALL) if case not in DEFAULT]
