"""The sections `embed`, `disturb`, `pretrain`: keys, types, ranges, units and defaults."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from avsc.params.checks import Arguments, PlugIn, Takes, Tree, argument_faults, repeated, section
from avsc.params.fields import Fault, Parser, Rest, nearest
from avsc.params.signatures import disturbances, methods, modality_of, signature

ENCODER_GETS = ("weights", "device")
VIEW_GETS = ("x", "view")


@dataclass(frozen=True)
class Embed:
    """An encoder over every second of every clip.

    Attributes:
        encoder: a file of avsc/encoders/.
        weights: none, random, pretrained, or a file of data/weights/.
        sha256: of the weights file.
        views: `count`, `seed` and limits of the augmented views of training clips.
        precision: of the network's products, where the machine is faster and the deviation small.
        engine: that runs the network.
        compile: whether torch.compile makes one program of it.
        arguments: of the encoder.
    """

    encoder: Annotated[str, PlugIn("encoders")]
    weights: str
    sha256: str | None = None
    views: Mapping[str, Any] | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    engine: Literal["torch", "openvino"] = "torch"
    compile: bool = False
    arguments: Annotated[Arguments, Rest()] = field(default_factory=dict)

    def faults(self, _: str, tree: Tree) -> list[Fault]:
        """Return arguments that the encoder or its views do not take, and weights nobody makes."""
        own = encoder_faults(self.encoder, self.weights, self.arguments)
        return [*own, *self._views(), *_file_faults(self.weights, tree)]

    def _views(self) -> list[Fault]:
        if self.views is None:
            return []
        module = f"encoders.{self.encoder}"
        how = "prepare_view" if "prepare_view" in methods(module, "Encoder") else "views"
        found = signature(module, f"Encoder.{how}")
        given = {k: v for k, v in self.views.items() if k != "count"}
        by = f"views of encoder {self.encoder}"
        count = self.views.get("count")
        wrong = type(count) is not int or count < 1
        text = f"expected a whole number from 1 on, got {count!r}"
        return [
            *([Fault(("views", "count"), text)] if wrong else []),
            *argument_faults(found, given, ("views",), apart=(*VIEW_GETS, "count"), by=by),
        ]


def encoder_faults(encoder: str, weights: str, arguments: Arguments) -> list[Fault]:
    """Return what is wrong with the arguments and the kind of weights of an encoder."""
    found = signature(f"encoders.{encoder}", "Encoder")
    faults = argument_faults(found, arguments, (), apart=ENCODER_GETS, by=f"encoder {encoder}")
    if ("weights" in found.kinds) == (weights == "none"):
        what = (
            "this encoder is a network; expected random, pretrained or a file of data/weights/"
            if weights == "none"
            else "this encoder has no weights; expected none"
        )
        faults.append(Fault(("weights",), what))
    return faults


def _file_faults(weights: str, tree: Tree) -> list[Fault]:
    """Return a fault if weights are a file that no entry makes and nobody has placed."""
    if weights in ("none", "random", "pretrained") or "pretrain" not in tree:
        return []
    made = [f"{n}.safetensors" for n in section(tree, "pretrain")]
    made += [f"{n}_{m}.safetensors" for n in section(tree, "finetune") for m in ("audio", "video")]
    files = [Path("data/weights", weights + end) for end in ("", ".dvc")]
    if weights in made or any(f.is_file() for f in files):
        return []
    near = nearest(weights, [*made, "none", "random", "pretrained"])
    text = f"no entry of pretrain or finetune makes {weights!r}, nor is it in data/weights{near}"
    return [Fault(("weights",), text)]


def _of_embed(name: str, keys: tuple[str, ...], own: Tree, tree: Tree) -> list[Fault]:
    """Return what differs from the entry of `embed` that a block is named after."""
    known = section(tree, "embed")
    if name in known or "embed" not in tree:
        return repeated(keys, own, known.get(name), f"embed.{name}")
    return [Fault((), f"expected the name of an entry of embed{nearest(name, known)}")]


@dataclass(frozen=True)
class Disturb:
    """Clips of the test fold with noise, blur and the like, for an entry of `embed`.

    Attributes:
        encoder: that of the entry, once more.
        weights: those of the entry, once more.
        seed: of what is drawn.
        strengths: {kind: strengths}, as media/disturbances.py has them.
    """

    encoder: Annotated[str, PlugIn("encoders")]
    weights: str
    seed: int = 0
    strengths: Annotated[Mapping[str, Any], Rest()] = field(default_factory=dict)

    def faults(self, name: str, tree: Tree) -> list[Fault]:
        """Return kinds that the modality does not have, and strengths that are no numbers."""
        known, parser = disturbances(modality_of(self.encoder)), Parser(tree)
        for key, strengths in self.strengths.items():
            if key not in known:
                parser.faults.append(Fault((key,), f"no such key{nearest(key, known)}"))
                continue
            found = parser.parse(tuple[float, ...], strengths, (key,))
            if isinstance(found, tuple) and len(set(found)) < len(found):
                parser.faults.append(Fault((key,), "a strength stands there twice"))
        same = _of_embed(name, ("encoder", "weights"), vars(self), tree)
        return [*parser.faults, *same]


@dataclass(frozen=True)
class Pretrain:
    """A small tagger trained on the demo world; its name is that of an entry of `embed`.

    Attributes:
        encoder: as in `embed`.
        examples: what it learns from.
        items: number of training items.
        held_out: number of items that score it.
        fit: arguments of training/tagger.py.
    """

    encoder: Annotated[str, PlugIn("encoders")]
    examples: Literal["sounds", "pictures"]
    items: Annotated[int, "x >= 1"]
    held_out: Annotated[int, "x >= 1"]
    fit: Annotated[
        Arguments, Takes("training.tagger", "fit", ("model", "inputs", "labels", "seed"))
    ]

    def faults(self, name: str, tree: Tree) -> list[Fault]:
        """Return a fault if the entry of `embed` is another encoder."""
        return _of_embed(name, ("encoder",), vars(self), tree)
