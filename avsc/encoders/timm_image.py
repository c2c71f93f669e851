"""Any image model of timm by name: tags pictures, or, without a classifier, only embeds them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import timm
import timm.data
import torch
from jaxtyping import Float, Float32
from PIL import Image
from torch import Tensor, nn

from avsc.encoders._augment import draw_of
from avsc.encoders._config import check_buildable, describing, read
from avsc.encoders._network import (
    Origin,
    Weights,
    check_weights,
    hub,
    load,
    seeded,
    tag,
    tagged_views,
)
from avsc.encoders._picture_views import Augmentation
from avsc.encoders._spectrum import check_scope

VERSION = 2
AXES = 1  # of a row
TINY: dict[str, Any] = {
    "name": "convnext_atto",
    "model_kwargs": {"depths": [1, 1, 1, 1], "dims": [4, 8, 12, 16]},
    "weights": "random",
    "classes": ["tree", "car", "bus"],
    "input_size": 32,
}


class Encoder:
    """What the model gives its classifier, and the class logits, pooled over a row's pictures.

    The embedding is the mean over the pictures and a logit the largest one (as Hou et al. pool
    object scores; the sigmoid keeps the order). Pictures are resized, cropped and normalised by
    timm's own transform for evaluation, at the size that the model was trained at.

    A model without a classifier, such as SigLIP's tower, or CLIP's with `num_classes: 0`, has no
    logits and is no tagger.

    Args:
        name: of a timm model, such as "convnext_base" or "convnext_base.fb_in1k"; with "hf-hub:" or
            "local-dir:" in front, of a checkpoint on the hub or in a folder.
        revision: of that checkpoint on the hub; a commit hash makes it a fixed one.
        weights: "pretrained" (those of `name`), "random", or a state dict.
        classes: names of the classes; None takes ImageNet's where the model has as many.
        model_kwargs: further arguments of the model, such as depths and dims; with `num_classes: 0`
            it loses its last layer: of CLIP the projection into the space that texts share.
        input_size: side of the square the model sees, in pixels; None is the model's own.
        crop_pct: that side as a part of the picture's short side; None is the model's own.
        mean: of red, green and blue in [0, 1], subtracted from pictures; None is the model's own.
        std: by which the difference is divided; None is the model's own. Weights trained on
            pictures in [-1, 1] take 0.5 of each, thrice.
        scope: "segment" takes one picture a row, "clip" any number.
        seed: of random weights.
        batch_size: pictures in one forward pass (at least one row).
        device: where the model runs.

    References:
        Wightman, "PyTorch Image Models". Hou, Kang, Botteldooren, arXiv 2208.02086.
    """

    modality = "video"

    def __init__(
        self,
        *,
        name: str,
        revision: str | None = None,
        weights: Weights = "pretrained",
        classes: list[str] | None = None,
        model_kwargs: Mapping[str, Any] | None = None,
        input_size: int | None = None,
        crop_pct: float | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        scope: str = "segment",
        seed: int = 0,
        batch_size: int = 32,
        device: str = "cpu",
    ) -> None:
        check_scope(scope)
        check_weights(weights)
        check_colours(mean=mean, std=std)
        self.scope, self.batch_size = scope, batch_size
        with seeded(seed):
            net = _net(name, revision, weights, classes, dict(model_kwargs or {}))
        self.origin = _origin(net) if weights == "pretrained" else None
        if net.num_classes or classes is not None:
            self.classes = _names(net, classes)
        self.model = Model(net).to(device).eval()
        size = None if input_size is None else (3, input_size, input_size)
        given = {"input_size": size, "crop_pct": crop_pct, "mean": mean, "std": std}
        self.data_config = timm.data.resolve_data_config(given, model=net)
        self.mean, self.std = self.data_config["mean"], self.data_config["std"]
        self.transform = timm.data.create_transform(**self.data_config)

    def __call__(self, x: np.ndarray) -> dict[str, Float32[np.ndarray, "row _"]]:
        """Encode uint8 (row, picture, height, width, 3)."""
        check_pictures(x, scope=self.scope)
        return tag(self.model, self.prepare, x, batch_size=self.batch_size)

    def views(
        self, x: np.ndarray, *, count: int, seed: int, **limits: Any
    ) -> Float32[np.ndarray, "row view _"]:
        """Return the plain embedding and those of crops, flips and other colours of the picture."""
        return tagged_views(self, x, count=count, seed=seed, **limits)

    def prepare(self, x: np.ndarray) -> Float32[Tensor, "row picture 3 height width"]:
        """Return resized, cropped and normalised pictures."""
        check_pictures(x, scope=self.scope)
        pictures = x.reshape(-1, *x.shape[2:])
        ready = torch.stack([self.transform(Image.fromarray(p)) for p in pictures])
        return ready.unflatten(0, x.shape[:2])

    def prepare_view(
        self, x: np.ndarray, *, view: int, seed: int, **limits: Any
    ) -> Float32[Tensor, "row picture 3 height width"]:
        """Return a crop of each picture, perhaps flipped, in other colours."""
        change = Augmentation(self.data_config, **limits)
        return torch.stack([change(row, draw_of(row, seed=seed, view=view)) for row in x])


class Model(nn.Module):
    """Prepared pictures -> (embedding, logits) of each row, or (embedding,) without a classifier.

    Its state dict is that of timm's model.

    Args:
        net: a model of timm.
    """

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net: Any = net

    def forward(
        self, pictures: Float[Tensor, "row picture 3 height width"]
    ) -> tuple[Float[Tensor, "row _"], ...]:
        """Return both from one pass through the body."""
        grid = pictures.shape[:2]
        features = self.net.forward_features(pictures.flatten(0, 1))
        each = self.net.forward_head(features, pre_logits=True)
        embedding = each.unflatten(0, grid).mean(dim=1)
        if not self.net.num_classes:
            return (embedding,)
        return embedding, self.net.forward_head(features).unflatten(0, grid).amax(dim=1)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Return the parameters under timm's names."""
        return self.net.state_dict(*args, **kwargs)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Take parameters under timm's names."""
        return self.net.load_state_dict(*args, **kwargs)


def check_colours(*, mean: Sequence[float] | None, std: Sequence[float] | None) -> None:
    """Raise a ValueError unless mean and std, where given, are a number of each colour."""
    for key, value in (("mean", mean), ("std", std)):
        if value is None:
            continue
        least = 1e-6 if key == "std" else 0.0
        numbers = isinstance(value, list | tuple) and all(isinstance(x, int | float) for x in value)
        if not numbers or len(value) != 3 or not all(least <= x <= 1 for x in value):
            raise ValueError(
                f"{key} is {value!r}, expected three numbers from {least:g} to 1 (of red, "
                "green and blue), such as [0.5, 0.5, 0.5]"
            )


def check_pictures(x: np.ndarray, *, scope: str) -> None:
    """Raise a ValueError unless `x` is uint8 (row, picture, height, width, 3)."""
    if x.dtype != np.uint8:
        raise ValueError(f"pictures are {x.dtype}; expected uint8, 0 to 255")
    if x.ndim != 5 or x.shape[-1] != 3 or 0 in x.shape:
        raise ValueError(
            f"pictures have shape {x.shape}; expected (row, picture, height, width, 3), none of "
            "them 0; a segment's only picture still has its axis"
        )
    if scope == "segment" and x.shape[1] != 1:
        raise ValueError(f"{x.shape[1]} pictures a row; a segment has 1, or set scope: clip")


def _net(
    name: str,
    revision: str | None,
    weights: Weights,
    classes: list[str] | None,
    kwargs: dict[str, Any],
) -> Any:
    """Return timm's model; nothing of it is random unless `weights` says so."""
    if weights == "pretrained":
        return _pretrained(name, revision, kwargs)
    if classes is not None:
        kwargs = {"num_classes": len(classes)} | kwargs
    try:
        net = timm.create_model(name, **kwargs)
    except RuntimeError as error:
        raise ValueError(
            f"timm has no {name!r} ({error}); expected a name of timm.list_models()"
        ) from error
    if not isinstance(weights, str):
        bare = kwargs.get("num_classes") == 0
        load(net, _without_head(net, weights) if bare else weights, source="the state dict")
    return net


def _without_head(net: Any, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights less those of the last layer, which a model of no classes lacks."""
    heads = net.pretrained_cfg.get("classifier") or ()
    names = (heads,) if isinstance(heads, str) else heads
    return {k: v for k, v in weights.items() if k.rpartition(".")[0] not in names}


def _pretrained(name: str, revision: str | None, model_kwargs: dict[str, Any]) -> Any:
    """Return the model that `name` is at `revision`, of which no tensor is random."""
    if partly := sorted({"in_chans", "pretrained_strict"} & model_kwargs.keys()):
        raise ValueError(
            f"model_kwargs has {', '.join(partly)}, with which a part of pretrained {name!r} would "
            "be random; drop it"
        )
    bare = model_kwargs.get("num_classes") == 0  # timm would then no longer miss absent tensors
    kwargs = {k: v for k, v in model_kwargs.items() if not (bare and k == "num_classes")}
    known = "a name of timm.list_pretrained(), hf-hub:<repository> or local-dir:<folder>"
    pinned = _pinned(name, revision)
    with hub(name, expected=known):
        if name.startswith("local-dir:"):
            _check_folder(name)
        net: Any = timm.create_model(pretrained=True, **pinned, **kwargs)
    if net.num_classes != (own := net.pretrained_cfg["num_classes"]):
        raise ValueError(
            f"model_kwargs asks for {net.num_classes} classes, the classifier of pretrained "
            f"{name!r} has {own} and another would be random; drop num_classes"
        )
    if bare:
        net.reset_classifier(0)
    return net


def _check_folder(name: str) -> None:
    """Raise a ValueError if the config.json of a folder describes no network."""
    path = Path(name.removeprefix("local-dir:"), "config.json")

    def build() -> Any:
        net = timm.create_model(name)
        timm.data.create_transform(**timm.data.resolve_data_config({}, model=net))
        return net

    with describing(str(path), "network of timm", expected="what timm saved: fetch the file again"):
        read(path)
        check_buildable(build)


def _pinned(name: str, revision: str | None) -> dict[str, Any]:
    """Return the arguments by which timm takes `name` from the hub at `revision`."""
    if revision is None:
        return {"model_name": name}
    if name.startswith("hf-hub:"):
        return {"model_name": f"{name}@{revision}"}
    cfg = None if ":" in name else timm.get_pretrained_cfg(name)
    if cfg is None or not cfg.hf_hub_id:
        raise ValueError(f"{name!r} is in no repository of the hub, but has a revision; drop that")
    pinned = {"hf_hub_id": f"{cfg.hf_hub_id}@{revision}"}
    return {"model_name": name, "pretrained_cfg_overlay": pinned}


def _origin(net: Any) -> Origin:
    """Return where timm took a pretrained model from."""
    cfg = net.pretrained_cfg
    if cfg.get("source") == "local-dir":
        return Origin(cfg["file"], None, cfg.get("license"))
    name, _, revision = (cfg.get("hf_hub_id") or cfg["url"]).partition("@")
    return Origin(name, revision or None, cfg.get("license"))


def _names(net: Any, classes: list[str] | None) -> list[str]:
    """Return the names of the classes, given or ImageNet's with their WordNet ids."""
    if classes is not None and len(classes) != net.num_classes:
        raise ValueError(f"{len(classes)} classes are named, the model has {net.num_classes}")
    if classes is not None:
        return classes
    subset = timm.data.infer_imagenet_subset(net)
    if subset is None:
        raise ValueError(
            f"the model's {net.num_classes} classes are not ImageNet's; give classes, or "
            "where they are none, as CLIP's, model_kwargs: {num_classes: 0}"
        )
    info = timm.data.ImageNetInfo(subset)
    ids = range(net.num_classes)
    return [f"{info.index_to_description(i)} ({info.index_to_label_name(i)})" for i in ids]
