"""Read the files whose names come on stdin, in a process of their own, which may die of one."""

import sys
from pathlib import Path

import numpy as np

from avsc import recording
from avsc.media import DecodeError, picture

DECODE = {"sample_rate": 16000, "short_side_px": 48, "jpeg_quality": 95}


def main() -> None:
    for line in sys.stdin:
        path = Path(line.rstrip("\n"))
        try:
            found = recording.read(path, None, DECODE)
        except DecodeError as error:
            answer(f"refused {' '.join(str(error).split())}")
            continue
        silent = np.zeros((0, 2, 0), np.float32)
        np.savez(
            f"{path}.npz",
            waveform=silent if found.waveform is None else found.waveform,
            grays=[picture(jpeg).mean() for jpeg in found.pictures],
            start=found.start,
        )
        answer(f"read {' | '.join(found.notes)}")


def answer(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
