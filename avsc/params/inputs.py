"""What `inputs` stands for: entries and bundles of entries, each of a modality."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from avsc.params.checks import SOURCES, Entry, Tree, section, unique
from avsc.params.fields import Fault, nearest
from avsc.params.signatures import constant, modality_of
from avsc.params.yaml_file import At

Source = Annotated[str, Entry(SOURCES)]


@dataclass(frozen=True)
class Pair:
    """Two different entries, of which either may be a bundle, too."""

    def faults(self, value: list[str], at: At, tree: Tree) -> list[Fault]:
        """Return what is wrong with a bundle."""
        name = str(at[-1])
        faults = [Fault(at, f.text) for f in unique(name, tree)]
        if len(value) != 2 or value[0] == value[1]:
            text = (
                f"expected two different entries, got {value}; for three, bundle two and bundle "
                "that with the third"
            )
            faults.append(Fault(at, text))
        if name in _within(name, tree):
            faults.append(Fault(at, "holds itself"))
        return faults


@dataclass(frozen=True)
class SameBundle:
    """The entries of the bundle of the same name."""

    def faults(self, value: list[str], at: At, tree: Tree) -> list[Fault]:
        """Return what differs from the bundle."""
        name, bundles = str(at[-1]), section(tree, "bundle")
        if "bundle" not in tree or value == bundles.get(name):
            return []
        if name not in bundles:
            return [Fault(at, f"expected the name of a bundle{nearest(name, bundles)}")]
        text = f"expected {bundles[name]} as in bundle.{name}, got {value}; DVC needs it twice"
        return [Fault(at, text)]


Bundle = Annotated[tuple[Source, ...], Pair()]
Disturbed = Annotated[str, Entry(("disturb", "bundle_disturbed"))]
BundleDisturbed = Annotated[tuple[Disturbed, ...], SameBundle()]


def new_inputs(block: Mapping[str, Any]) -> str:
    """Return the line that replaces `audio` and `video` of earlier versions."""
    names = [block.get(m, "none") for m in ("audio", "video")]
    own = [n for n in names if n != "none"]
    if len(own) == 1:
        return f"no such key any more; write `inputs: {own[0]}` in place of audio: and video:"
    pair = f"[{', '.join(map(str, own))}]"
    return (
        "no such key any more; write `inputs: av` in place of audio: and video:, and "
        f"`bundle: {{av: {pair}}}` at the top of the file"
    )


def members_of(name: str, tree: Tree) -> list[str]:
    """Return the entries of `embed` and `import_features` that `inputs` stands for."""
    pair = section(tree, "bundle").get(name)
    if pair is None:
        return [name]
    found: list[str] = []
    for member in pair if isinstance(pair, list) and name not in _within(name, tree) else []:
        found += [m for m in members_of(member, tree) if m not in found]
    return found


def parts_of(name: str, tree: Tree) -> list[str]:
    """Return an entry, and all entries and bundles inside it."""
    return [name, *_within(name, tree)]


def _within(name: str, tree: Tree) -> list[str]:
    found: list[str] = []
    todo = [name]
    while todo:
        pair = section(tree, "bundle").get(todo.pop())
        new = [m for m in pair if isinstance(m, str)] if isinstance(pair, list) else []
        todo += [m for m in new if m not in found]
        found += [m for m in new if m not in found]
    return found


def streams_of(name: str, tree: Tree) -> dict[str, str] | None:
    """Return {entry: modality} of all that `inputs` stands for; None if that is not known."""
    found: dict[str, str] = {}
    for member in members_of(name, tree):
        embed = section(tree, "embed").get(member)
        imported = section(tree, "import_features").get(member)
        modality = imported.get("modality") if isinstance(imported, dict) else None
        if isinstance(embed, dict) and isinstance(embed.get("encoder"), str):
            modality = modality_of(embed["encoder"])
        if modality not in ("audio", "video"):
            return None
        found[member] = modality
    return found or None


def has_views(entry: str, tree: Tree) -> bool:
    """Return whether an entry of `embed` or `import_features` makes augmented views."""
    blocks = [section(tree, s).get(entry) for s in ("embed", "import_features")]
    return any(isinstance(block, dict) and block.get("views") for block in blocks)


def axes_of(entry: str, tree: Tree) -> int | None:
    """Return how many axes a row of an entry has; None if that is not known."""
    block = section(tree, "embed").get(entry)
    if not isinstance(block, dict) or modality_of(str(block.get("encoder"))) is None:
        return None
    axes: int | None = constant(f"encoders.{block['encoder']}", "AXES")
    return axes
