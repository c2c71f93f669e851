"""Find the frames on display at given times, and decode no more than they need.

The frame on display is the last that starts by then, or the first of all. Only the groups of
pictures that hold a wanted frame are decoded, from their keyframe to that frame; the whole track is
where this cannot be vouched for. Either way gives the same frames.
"""

from bisect import bisect_right
from collections.abc import Iterator
from fractions import Fraction

import av
from av.video.frame import PictureType

from avsc.media.track import DecodeError, Track, failure


def on_display(track: Track, times: list[Fraction]) -> list[av.VideoFrame]:
    """Return the frame on display at each of `times` (s after time zero, ascending).

    Raises:
        DecodeError: if a packet on the way to a wanted frame is broken.
    """
    if track.is_unordered:
        return in_full(track, times)
    try:
        frames = from_keyframes(track, times)
    except DecodeError:  # maybe only a picture that refers to one before its keyframe
        frames = None
    return in_full(track, times) if frames is None else frames


def in_full(track: Track, times: list[Fraction]) -> list[av.VideoFrame]:
    """Return the same by decoding every packet."""
    shown: list[av.VideoFrame] = []
    last, start = None, Fraction(0)
    rate = track.stream.average_rate
    order = iter(sorted(p.dts for p in track.packets if p.dts is not None))
    for frame in track.decode(track.packets):
        ticks = frame.dts if frame.pts is None else frame.pts
        if track.is_unordered:
            ticks = next(order, None)
        if ticks is not None:
            start = track.seconds(ticks)
        elif last is not None and rate:  # a frame without a time follows the one before
            start += 1 / Fraction(rate)
        while len(shown) < len(times) and times[len(shown)] < start:
            shown.append(frame if last is None else last)
        last = frame
    if last is None:
        raise failure(track.path, 0, "its video track holds no picture; leave the clip out")
    return shown + [last] * (len(times) - len(shown))


def from_keyframes(track: Track, times: list[Fraction]) -> list[av.VideoFrame] | None:
    """Return the same by decoding from keyframes, or None where that is not sure to be the same."""
    pts = [p.pts for p in track.packets if p.pts is not None]
    starts = sorted(p.pts for p in track.packets if p.pts is not None and not p.is_discard)
    if len(set(pts)) < len(track.packets) or not starts:
        return None  # packets are not frames one to one
    last = [bisect_right(starts, time, key=track.seconds) - 1 for time in times]
    targets = [starts[max(i, 0)] for i in last]
    found: dict[int, av.VideoFrame] = {}
    for first, wanted in _groups(track, pts, targets).items():
        is_first = True
        for frame in track.decode(_needed(track, pts, first, wanted)):
            if is_first and not _is_clean(frame, pts[first]):
                return None
            is_first = False
            if frame.pts in wanted and not frame.is_corrupt:
                found[frame.pts] = frame
    return [found[t] for t in targets] if found.keys() >= set(targets) else None


def _groups(track: Track, pts: list[int], targets: list[int]) -> dict[int, set[int]]:
    """Return {place of a keyframe: the wanted timestamps to decode from it}."""
    keys = [i for i, p in enumerate(track.packets) if p.is_keyframe]
    place = {at: i for i, at in enumerate(pts)}
    groups: dict[int, set[int]] = {}
    for target in targets:
        # What an open group shows before its keyframe refers to the group before.
        able = [i for i in keys if i <= place[target] and pts[i] <= target]
        if able:
            groups.setdefault(able[-1], set()).add(target)
    return groups


def _needed(track: Track, pts: list[int], first: int, wanted: set[int]) -> Iterator[av.Packet]:
    """Yield the packets from a keyframe to the last wanted one, without those shown before it."""
    last = max(pts.index(target) for target in wanted)
    for at, packet in zip(pts[first : last + 1], track.packets[first:], strict=False):
        if at >= pts[first]:
            track.stream.codec_context.skip_frame = "DEFAULT" if at in wanted else "NONREF"
            yield packet


def _is_clean(frame: av.VideoFrame, start: int) -> bool:
    # A stream that refreshes bit by bit marks packets as keyframes that show nothing whole.
    return frame.pts == start and frame.key_frame and frame.pict_type == PictureType.I
