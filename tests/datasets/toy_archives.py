"""A toy data set as archives, and how a list publishes them."""

import hashlib

from tests.datasets.test_archives import zipped

TOP = "TOY-2021-development"
ARCHIVES = {
    "meta": zipped([(f"{TOP}/meta.csv", b"filename_audio\n")]),
    "audio.1": zipped([(f"{TOP}/audio/a.wav", bytes(range(256)) * 9)]),
    "audio.2": zipped([(f"{TOP}/audio/b.wav", b"b" * 99)]),
}
FILES = {"meta.csv": b"filename_audio\n", "audio/a.wav": bytes(range(256)) * 9}
FILES["audio/b.wav"] = b"b" * 99


def md5(content):
    return hashlib.md5(content).hexdigest()


def published(parts=ARCHIVES):
    return {part: {"bytes": len(c), "md5": md5(c)} for part, c in parts.items()}
