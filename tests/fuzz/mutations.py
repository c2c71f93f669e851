"""Damage done to valid files: what disks, networks, editors and ill-meaning people make of them."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("AVSC_FUZZ_EXAMPLES", "300"))  # of a reader
SEED = int(os.environ.get("AVSC_FUZZ_SEED", "0"))  # of all damage
FEWEST = 100  # of a slow reader
NASTY = [
    b"\x00",
    b"\xef\xbb\xbf",  # byte order marks
    b"\xff\xfe",
    b"\r",
    b"\r\n\r\n",
    b"\n",
    b'"',
    b'""',
    b",",
    b"\t",
    b"\x1b[2J",
    b"\x7f\x85\xa0",
    "‮\u2028﻿".encode(),
    "é😀\u0301".encode(),
    b"\xed\xa0\x80",  # half of a surrogate pair
    b"../../etc/passwd",
    b"C:\\x",
    b"nan",
    b"-inf",
    b"1e999",
    "٣".encode(),
    b"&a [*a, *a]",
    b"!!python/object/apply:os.system [ls]",
    b"<<: ",
    b"null",
    b"2024-13-45",
    b"0o9:99",
]
LONG = [b"9" * 5000, b"x" * 140_000, b"{[" * 1000]  # slow to read, so one in a hundred


def _nasty(rng: Random) -> bytes:
    return rng.choice(LONG if rng.random() < 0.01 else NASTY)


def flipped(content: bytes, _: bytes, rng: Random) -> bytes:
    damaged = bytearray(content)
    for _bit in range(rng.choice([1, 1, 1, 2, 8])):
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def truncated(content: bytes, _: bytes, rng: Random) -> bytes:
    return content[: rng.randrange(len(content))]


def without_a_part(content: bytes, _: bytes, rng: Random) -> bytes:
    start, stop = _part(content, rng)
    return content[:start] + content[stop:]


def with_a_part_twice(content: bytes, _: bytes, rng: Random) -> bytes:
    start, stop = _part(content, rng)
    return content[:stop] + content[start:]


def with_zeros(content: bytes, _: bytes, rng: Random) -> bytes:
    start, stop = _part(content, rng)
    return content[:start] + bytes(stop - start) + content[stop:]


def with_noise(content: bytes, _: bytes, rng: Random) -> bytes:
    start, stop = _part(content, rng)
    return content[:start] + rng.randbytes(stop - start) + content[stop:]


def with_something_nasty(content: bytes, _: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + _nasty(rng) + content[at + rng.choice([0, 0, 1, 5]) :]


def with_nasty_cells(content: bytes, _: bytes, rng: Random) -> bytes:
    for separator in rng.sample([b"\n", b"\t", b",", b": "], 2):
        cells = content.split(separator)
        cells[rng.randrange(len(cells))] = _nasty(rng)
        content = separator.join(cells)
    return content


def shuffled(content: bytes, _: bytes, rng: Random) -> bytes:
    lines = content.split(b"\n")
    rng.shuffle(lines)
    return b"\n".join(lines)


def spliced(content: bytes, other: bytes, rng: Random) -> bytes:
    return content[: rng.randrange(len(content))] + other[rng.randrange(len(other)) :]


def overwritten(content: bytes, other: bytes, rng: Random) -> bytes:
    start, stop = _part(content, rng)
    return content[:start] + other[start:stop] + content[stop:]


def _part(content: bytes, rng: Random) -> tuple[int, int]:
    start = rng.randrange(len(content))
    return start, start + min(len(content) - start, rng.choice([1, 4, 8, 64, 512]))


Errors = type[Exception] | tuple[type[Exception], ...]
Damage = Callable[[bytes, bytes, Random], bytes]
BINARY: Sequence[Damage] = (
    flipped,
    truncated,
    without_a_part,
    with_a_part_twice,
    with_zeros,
    with_noise,
    with_something_nasty,
    spliced,
    overwritten,
)
TEXT: Sequence[Damage] = (*BINARY, with_nasty_cells, shuffled)


def number_of_cases(share: float) -> int:
    """Return how many files a reader gets that is slower than others by 1 / `share`."""
    return max(min(FEWEST, EXAMPLES), round(EXAMPLES * share))


def cases(damages: Sequence[Damage], *, share: float = 1.0) -> Callable:
    """Run a test with `share` of EXAMPLES damages, each with a seed that SEED draws."""

    def wrap(test: Callable) -> Callable:
        seeds = st.integers(0, 2**63)
        options = settings(
            max_examples=number_of_cases(share),
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        drawn = given(damage=st.sampled_from(damages), seed=seeds)(test)
        return hypothesis.seed(SEED)(options(drawn))

    return wrap


def only_documented(read: Callable[[Path], Any], path: Path, *, errors: Errors = ValueError) -> Any:
    """Call a reader; None where it raises an error of this kind that names the file."""
    try:
        return read(path)
    except errors as error:
        if path.name not in str(error):
            raise
        return None
