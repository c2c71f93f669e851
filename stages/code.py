"""code: the source of the project, studies -> code.yaml, a digest for each stage and plug-in."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from avsc import params, studies
from avsc.artifacts import code_digests
from avsc.artifacts.code_digests import PLUGINS, Sources


def main() -> None:
    sources = Sources()
    folders = {"stages": "stages"} | {kind: f"avsc/{kind}" for kind in PLUGINS}
    files = {kind: sources.entries(folder) for kind, folder in folders.items()}
    digests: dict[str, dict[str, Any]] = {
        kind: {name: sources.digest([path]) for name, path in found.items()}
        for kind, found in files.items()
    }
    digests["encoders"]["none"] = "none"  # a fine-tuned system of one modality names it
    digests["study"] = {
        name: {head: digests["heads"][head] for head in _heads(name, files["heads"])}
        for name in params.load("study")
    }
    code_digests.write(Path("code.yaml"), digests)


def _heads(study: str, known: Collection[str]) -> list[str]:
    """Return the heads that the cells of a study name.

    Raises:
        ValueError: if there is no such head.
    """
    cells = studies.cells(params.load(f"study.{study}"))
    for cell, block in cells.items():
        if block["head"] not in known:
            raise ValueError(
                f"study.{study}, cell {cell!r}: no head {block['head']!r}, expected one of "
                f"{', '.join(known)}"
            )
    return sorted({block["head"] for block in cells.values()})


if __name__ == "__main__":
    main()
