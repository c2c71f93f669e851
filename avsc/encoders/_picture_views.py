"""Augmented views of pictures: a crop, perhaps mirrored, in other colours."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import timm.data
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor
from torchvision.transforms import v2

from avsc.encoders._network import seeded


class Augmentation:
    """uint8 pictures -> what the model takes, with the bits of torchvision's transforms in a row.

    Chen et al. name the three steps without a number: crop and flip have torchvision's defaults,
    and colour, which has none there, has timm's.

    Args:
        data_config: timm's: size, interpolation, mean and deviation of the model.
        scale: least and most of the picture's area that the crop has.
        ratio: least and most width over height of the crop.
        flip: probability of a mirrored picture.
        brightness: most by which the factor strays from 1.
        contrast: the same of the distance from the mean grey.
        saturation: the same of the distance from each pixel's grey.
        hue: most turn of the hue, in turns, up to 0.5.

    References:
        Chen, Wang, Zhang, arXiv 2204.11420. torchvision.transforms.v2. timm's create_transform,
        color_jitter 0.4.
    """

    def __init__(
        self,
        data_config: Mapping[str, Any],
        *,
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        flip: float = 0.5,
        brightness: float = 0.4,
        contrast: float = 0.4,
        saturation: float = 0.4,
        hue: float = 0.0,
    ) -> None:
        mode = timm.data.transforms.str_to_interp_mode(data_config["interpolation"])
        size = data_config["input_size"][1:]
        self.crop = v2.RandomResizedCrop(size, scale=scale, ratio=ratio, interpolation=mode)
        self.mirror = v2.RandomHorizontalFlip(flip)
        self.colour = v2.ColorJitter(brightness, contrast, saturation, hue)
        self.finish = v2.Normalize(data_config["mean"], data_config["std"])

    def __call__(
        self, row: UInt8[np.ndarray, "picture height width 3"], draw: int
    ) -> Float32[Tensor, "picture 3 _ _"]:
        """Return all pictures of a row, changed in the same way, drawn from the seed `draw`.

        Threads wait for one another while they draw, and then change pictures side by side.
        """
        pictures = torch.from_numpy(np.array(row)).permute(0, 3, 1, 2)
        with seeded(draw):
            place = self.crop.make_params([pictures])
            mirrored = torch.rand(1) < self.mirror.p
            colours = self.colour.make_params([pictures])
        cut = self.crop.transform(pictures, place)
        turned = self.mirror.transform(cut, {}) if mirrored else cut
        levels = v2.functional.to_dtype(turned, torch.float32, scale=True)
        changed: Tensor = self.finish(self.colour.transform(levels, colours))
        return changed
