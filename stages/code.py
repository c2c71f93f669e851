"""code: the source of the project, studies -> code.yaml, a digest for each stage and plug-in."""

from pathlib import Path
from typing import Any

from avsc import params
from avsc.artifacts import code_digests
from avsc.artifacts.code_digests import PLUGINS, Sources
from avsc.params.study import Study, heads


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
        name: {head: digests["heads"][head] for head in heads(params.read(Study, f"study.{name}"))}
        for name in params.names("study")
    }
    code_digests.write(Path("code.yaml"), digests)


if __name__ == "__main__":
    main()
