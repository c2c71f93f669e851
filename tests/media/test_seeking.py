from fractions import Fraction

import numpy as np
import pytest

from avsc.media import seeking
from avsc.media.container import demuxed
from avsc.media.track import Track

MIDDLES = [Fraction(2 * k + 1, 2) for k in range(6)]


@pytest.fixture
def moving():
    """Pictures of texture that moves, is covered and uncovered: every frame refers to others."""

    def make(count, seed=0):
        rng = np.random.default_rng(seed)
        world = rng.integers(0, 256, (60, 100, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
        for i in range(count):
            pixels = world[i : i + 96, 2 * i % 200 : 2 * i % 200 + 128].copy()
            pixels[20:60, 3 * i % 90 : 3 * i % 90 + 30] = rng.integers(0, 256, (40, 30, 3))
            yield pixels

    return lambda count: list(make(count))


def regular(_, count):
    return np.arange(count) / 25


def irregular(rng, count):
    return np.cumsum(rng.integers(5, 76, count)) / 1000


def params(text):
    return {"preset": "medium", "x264-params": text}


CLOSED = {
    "a keyframe every 12": ("v.mp4", regular, params("keyint=12")),
    "one keyframe": ("v.mp4", regular, params("keyint=250:scenecut=0")),
    "no bunches": ("v.ts", regular, params("keyint=30:bframes=0")),
    "bunches that others refer to": ("v.mkv", regular, params("keyint=50:bframes=6:b-pyramid=2")),
    "irregular times": ("v.mp4", irregular, params("keyint=25:bframes=3")),
    "interlaced": ("v.mp4", regular, params("keyint=25:interlaced=1")),
    "open groups": ("v.mp4", regular, params("keyint=25:open-gop=1:bframes=3:b-pyramid=0")),
}
UNSURE = {
    "open groups with a pyramid": ("v.mp4", regular, params("keyint=25:open-gop=1:bframes=3")),
    "intra refresh": ("v.mp4", regular, params("keyint=25:intra-refresh=1")),
    "intra refresh, mkv": ("v.mkv", regular, params("keyint=25:intra-refresh=1")),
}


def same(frames, others):
    return [f.pts for f in frames] == [f.pts for f in others] and all(
        np.array_equal(f.to_ndarray(), o.to_ndarray()) for f, o in zip(frames, others, strict=True)
    )


@pytest.mark.parametrize("kind", CLOSED)
def test_decoding_from_keyframes_gives_the_frames_of_full_decoding(write_container, moving, kind):
    name, times, options = CLOSED[kind]
    path = write_container(
        name, pictures=moving(150), times=times(np.random.default_rng(0), 150), options=options
    )
    with demuxed(path, "video") as (track,):
        frames = seeking.from_keyframes(track, MIDDLES)
        assert frames is not None
        assert same(frames, seeking.in_full(track, MIDDLES))


@pytest.mark.parametrize("kind", UNSURE)
def test_where_a_keyframe_is_no_clean_start_everything_is_decoded(
    write_container, moving, monkeypatch, kind
):
    name, times, options = UNSURE[kind]
    path = write_container(
        name, pictures=moving(150), times=times(np.random.default_rng(0), 150), options=options
    )
    calls, in_full = [], seeking.in_full
    monkeypatch.setattr(seeking, "in_full", lambda *args: calls.append(args) or in_full(*args))
    with demuxed(path, "video") as (track,):
        frames = seeking.on_display(track, MIDDLES)
        assert calls
        assert same(frames, in_full(track, MIDDLES))


def test_full_decoding_takes_the_last_frame_that_starts_by_then(write_container, grays):
    path = write_container("v.mp4", pictures=grays(5), times=[0, 0.5, 0.501, 1.4, 2.0])
    with demuxed(path, "video") as (track,):
        times = [Fraction(-1), Fraction(1, 2), Fraction(3, 2), Fraction(9)]
        frames = seeking.in_full(track, times)
        assert [track.seconds(f.pts) for f in frames] == [0, Fraction(1, 2), Fraction(7, 5), 2]


def test_frames_without_a_time_follow_the_one_before(write_container, grays):
    path = write_container(
        "v.mp4", pictures=grays(75), times=np.arange(75) / 25, options={"bf": "0"}
    )
    with demuxed(path, "video") as (track,):
        whole = [frame.to_ndarray() for frame in seeking.in_full(track, MIDDLES[:3])]
        for i, packet in enumerate(track.packets):
            if i % 3:
                packet.pts = packet.dts = None
        sparse = [frame.to_ndarray() for frame in seeking.on_display(track, MIDDLES[:3])]
    np.testing.assert_array_equal(sparse, whole)


def test_only_groups_that_hold_a_wanted_frame_are_decoded(write_container, moving, monkeypatch):
    path = write_container(
        "v.mp4", pictures=moving(150), times=np.arange(150) / 25, options=params("keyint=10")
    )
    fed, decode = [], Track.decode
    monkeypatch.setattr(Track, "decode", lambda self, ps: decode(self, noted(ps, fed)))
    with demuxed(path, "video") as (track,):
        seeking.from_keyframes(track, [Fraction(1, 2), Fraction(5, 2)])
    # frames 12 and 62 lie in the groups from 10 and from 60
    assert {packet.pts * packet.time_base * 25 // 10 for packet in fed} == {1, 6}


def noted(packets, notes):
    for packet in packets:
        notes.append(packet)
        yield packet
