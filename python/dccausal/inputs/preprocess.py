"""From a photograph to what the model sees (geometry), and from there to the numbers it gets (normalisation).

The two steps are kept apart because masking happens between them: ``prepare`` gives the uint8 image ``x`` on
which pixels are masked, ``encode`` turns images of that kind into a tensor, each pixel on its own. So
``encode(where(masked, baseline, x))`` equals ``where(masked, encode(baseline), encode(x))`` bit for bit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.checks import finite_number, whole_numbers
from dccausal._shared.files import read_text
from dccausal.errors import OptionError
from dccausal.inputs.drawing import Interpolation, draw, draw_box
from dccausal.inputs.encode import affine, luma
from dccausal.inputs.framing import Frame, Geometry, Rounding, exact_cut, first_cut, frame, target_of
from dccausal.inputs.placement import Placement

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["PRESETS", "Placement", "Preprocess"]

ChannelOrder = Literal["RGB", "BGR"]
Layout = Literal["NCHW", "NHWC"]

_MAX_SIDE = 16384
_CHOICES: dict[str, tuple[str, ...]] = {
    "geometry": get_args(Geometry),
    "interpolation": get_args(Interpolation),
    "channel_order": get_args(ChannelOrder),
    "layout": get_args(Layout),
    "rounding": get_args(Rounding),
}
# Less would resize a photograph to more than a hundred times of what is looked at.
_MIN_CROP_RATIO = 0.01


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """
    How a photograph becomes a model's input.

    Attributes
    ----------
    size
        (height, width) of ``x``; None takes the model's.
    geometry
        "squash" resizes both sides to ``size`` whatever the proportions, so that the whole photograph is
        seen; "crop" resizes the short side to ``size / crop_ratio`` and cuts out the centre, as torchvision
        does; "squash-crop" resizes both sides to ``size / crop_ratio`` and cuts out the centre (DeiT, BEiT);
        "pad" fits the long side and fills the rest with ``pad_colour``; "pad-corner" does the same, the photograph
        being in the upper left corner (YOLOX); "pad-crop" fits it into
        ``size / crop_ratio`` first, and cuts off what is too much; "native" resizes nothing and cuts out the
        centre; "crop-first" cuts ``crop_ratio`` of the centre out before it resizes that (Perceiver).
    crop_ratio
        Share of the resized short side (or of both sides, or of the long side) that cutting out keeps, from
        0.01 to 1.
    resize
        (height, width) in place of ``size / crop_ratio``: what the photograph covers ("crop"), is resized to
        ("squash-crop") or fitted into ("pad-crop"). Where it is smaller than ``size``, the rest is ``pad_colour``.
    rounding
        Whose roundings are followed, which decide by a pixel: "torchvision", "transformers" (margins are rounded
        down), "timm" (as torchvision, but for sizes that are not square), "paddle" (margins down, sides to the
        nearest) or "exact" (nothing is rounded, as Pillow's ``ImageOps.fit``).
    pad_colour
        (r, g, b) of the borders that are added, 0..255.
    interpolation
        Pillow's filter; all but "nearest" are antialiased. Or "opencv", OpenCV's bilinear, which is not.
    scale, mean, std
        A channel's value is ``(pixel * scale - mean) / std``, pixel in 0..255, to within float32 rounding.
        ``mean`` and ``std`` are in the model's order of channels; one number stands for all three.
    channel_order
        "RGB", or "BGR" for models trained on it (Caffe, OpenCV).
    layout
        "NCHW" or "NHWC" for models whose own shape leaves it open; None reads it from the model.
    stretch
        Whether 16-bit photographs are stretched, so that the range of values that they use becomes 0..255.

    Raises
    ------
    OptionError
        If a value is out of its range; the text names the field.

    """

    size: tuple[int, int] | None = None
    geometry: Geometry = "squash"
    crop_ratio: float = 0.875
    resize: tuple[int, int] | None = None
    rounding: Rounding = "torchvision"
    pad_colour: tuple[int, int, int] = (0, 0, 0)
    interpolation: Interpolation = "bilinear"
    scale: float = 1 / 255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    channel_order: ChannelOrder = "RGB"
    layout: Layout | None = None
    stretch: bool = False

    def __post_init__(self) -> None:
        """Check every field; bring lists and single numbers (as JSON gives them) into the declared form."""
        for name, choices in _CHOICES.items():
            given = getattr(self, name)
            if not (isinstance(given, str) and given in choices) and not (name == "layout" and given is None):
                raise OptionError(f"preprocess: {name} is {given!r}; one of {', '.join(choices)} is needed")
        put = object.__setattr__
        if self.size is not None:
            put(self, "size", whole_numbers("preprocess: size", self.size, 2, 2, _MAX_SIDE))
        if self.resize is not None:
            put(self, "resize", whole_numbers("preprocess: resize", self.resize, 2, 1, _MAX_SIDE))
        put(self, "pad_colour", whole_numbers("preprocess: pad_colour", self.pad_colour, 3, 0, 255))
        put(self, "crop_ratio", finite_number("preprocess: crop_ratio", self.crop_ratio))
        put(self, "scale", finite_number("preprocess: scale", self.scale))
        put(self, "mean", _triple("mean", self.mean))
        put(self, "std", _triple("std", self.std))
        if not 0 < self.crop_ratio <= 1:
            raise OptionError(
                f"preprocess: crop_ratio is {self.crop_ratio}; more than 0 and at most 1 is needed"
            )
        if self.crop_ratio < _MIN_CROP_RATIO:
            raise OptionError(
                f"preprocess: crop_ratio is {self.crop_ratio}; at least {_MIN_CROP_RATIO} is needed"
            )
        if not isinstance(self.stretch, bool):
            raise OptionError(f"preprocess: stretch is {self.stretch!r}; true or false is needed")
        for name, smallest in (("scale", self.scale), ("std", min(self.std))):
            if smallest <= 0:
                raise OptionError(f"preprocess: {name} is {getattr(self, name)}; more than 0 is needed")

    @classmethod
    def preset(cls, name: str) -> Preprocess:
        """
        Return one of ``PRESETS``.

        They are "imagenet" (mean and std), "torchvision" (the same, and the centre is cut out), "tf" (-1..1), "unit"
        (0..1), "raw" (0..255) and "caffe" (BGR, 0..255 less the mean, as Keras' ResNet50 and VGG).

        Raises
        ------
        OptionError
            If there is no such preset.

        """
        if name not in PRESETS:
            raise OptionError(f"preprocess: {name!r} is no preset; one of {', '.join(PRESETS)} is needed")
        return PRESETS[name]

    @classmethod
    def of(cls, given: Preprocess | str | os.PathLike[str] | Mapping[str, Any]) -> Preprocess:
        """
        Return what is meant: settings, a preset's name, a dict, or the path of a JSON file of one.

        Raises
        ------
        OptionError
            If it is none of these, or a value is out of its range.

        """
        if isinstance(given, cls):
            return given
        if isinstance(given, str) and given in PRESETS:
            return PRESETS[given]
        values = _read_json(Path(given)) if isinstance(given, str | os.PathLike) else given
        if not isinstance(values, Mapping):
            raise OptionError(
                f"preprocess is {given!r}; settings, a preset's name, a dict or a JSON file is needed"
            )
        return cls.from_dict(values)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocess:
        """
        Return the settings that ``to_dict`` wrote, through JSON or not; absent ones are defaults.

        Raises
        ------
        OptionError
            If a key is unknown or a value is out of its range.

        """
        known = [f.name for f in fields(cls)]
        unknown = [str(key) for key in values if key not in known]
        if unknown:
            raise OptionError(
                f"preprocess: unknown key {', '.join(unknown)}; only {', '.join(known)} are known"
            )
        return cls(**values)

    @classmethod
    def changes(cls, **given: Any) -> dict[str, Any]:
        """Return the settings that are given, not None, checked as ``from_dict`` does."""
        changes = {name: value for name, value in given.items() if value is not None}
        checked = cls.from_dict(changes)
        return {name: getattr(checked, name) for name in changes}

    def changed(self, changes: Mapping[str, Any]) -> Preprocess:
        """Return the settings with some of them changed; another size or share takes the place of ``resize``."""
        is_kept = "resize" in changes or changes.keys().isdisjoint(("size", "crop_ratio"))
        return replace(self if is_kept else replace(self, resize=None), **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as a dict of plain numbers, strings and lists, ready for JSON."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()}

    def words(self) -> str:
        """Return the settings as a sentence."""
        share = (
            f"{self.crop_ratio:.4g} of " if self.resize is None else f"of {self.resize[1]} x {self.resize[0]}"
        )
        it, them = ("it", "them") if self.resize is None else ("", "")
        geometry: Mapping[str, str] = {
            "squash": "whole photograph, both sides resized",
            "crop": f"short side resized, centre cut out ({share}{it})",
            "squash-crop": f"both sides resized, centre cut out ({share}{them})",
            "pad": f"whole photograph, padded{_with_colour(self.pad_colour)}",
            "pad-corner": f"whole photograph in the upper left corner, padded{_with_colour(self.pad_colour)}",
            "pad-crop": f"long side resized, padded, centre cut out ({share}{it})",
            "native": "nothing resized, centre cut out",
            "crop-first": f"centre cut out ({self.crop_ratio:.4g} of it), then resized",
        }
        rounded = (
            f"; rounded as {self.rounding} does"
            if self.geometry not in ("squash", "pad", "pad-corner", "crop-first")
            else ""
        )
        stretched = "; 16 bits stretched" if self.stretch else ""
        to_size = "" if self.size is None else f" to {self.size[1]} x {self.size[0]}"
        factor = "1/255" if abs(self.scale * 255 - 1) < 1e-6 else f"{self.scale:.6g}"  # noqa: PLR2004
        return (
            f"{geometry[self.geometry]}{to_size}, {self.interpolation}; "
            f"{self.channel_order}, (pixel * {factor} - {_numbers(self.mean)}) / {_numbers(self.std)}"
            f"{rounded}{stretched}"
        )

    def with_size(self, size: tuple[int, int]) -> Preprocess:
        """Return the same settings for another (height, width)."""
        return replace(self, size=size)

    def prepare(
        self, photo: Image.Image, size: tuple[int, int] | None = None
    ) -> tuple[NDArray[np.uint8], Placement]:
        """
        Return what the model sees of a photograph, and where in the photograph it lies.

        Parameters
        ----------
        photo
            An upright RGB image (``load_photo`` gives one).
        size
            (height, width) of the result, for settings without a size of their own.

        Returns
        -------
        x, placement
            A uint8 array (height, width, 3) RGB, and the area of the photograph that it covers.

        Raises
        ------
        OptionError
            If neither the settings nor the call say a size.

        """
        size = size or self.size
        if size is None:
            raise OptionError("preprocess: size is None; (height, width) is needed where no model gives it")
        height, width = size
        if self.geometry == "crop-first":
            box = first_cut(photo.size, size, self.crop_ratio)
            canvas = draw(photo.crop(box), Frame((width, height), size), self.interpolation, self.pad_colour)
            return np.array(canvas, dtype=np.uint8), Placement(photo.size, box)
        if self.geometry == "crop" and self.rounding == "exact":
            area = exact_cut(photo.size, size, self.crop_ratio)
            canvas = draw_box(photo, area, (width, height), self.interpolation)
            return np.array(canvas, dtype=np.uint8), Placement(photo.size, area)
        target = target_of(size, self.crop_ratio, self.resize)
        found = frame(photo.size, size, self.geometry, target, self.rounding)
        canvas = draw(photo, found, self.interpolation, self.pad_colour)
        return np.array(canvas, dtype=np.uint8), Placement(photo.size, found.box(photo.size))

    def encode(
        self, images: NDArray[Any], layout: Layout, dtype: np.dtype[Any] | type, channels: int = 3
    ) -> NDArray[Any]:
        """
        Return the tensor for a batch of images.

        Parameters
        ----------
        images
            uint8 (N, H, W, 3) RGB.
        layout
            "NCHW" or "NHWC": the result is (N, channels, H, W) or (N, H, W, channels), C-contiguous.
        dtype
            float32, float16, float64, or a type of whole numbers (only where the values are the pixels
            themselves, for int8 less 128).
        channels
            3, or 1 for models that see greyscale: the luma (ITU-R 601), with the averages of ``mean`` and
            of ``std``.

        Raises
        ------
        OptionError
            If ``images`` has another shape or dtype, or ``check_dtype`` fails.

        """
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:  # noqa: PLR2004
            raise OptionError(f"images must be (N, H, W, 3) uint8, got {images.shape} {images.dtype}")
        self.check_dtype(np.dtype(dtype))
        planes = luma(images) if channels == 1 else images
        if channels != 1 and self.channel_order == "BGR":
            planes = planes[..., ::-1]
        mean, std = np.array(self.mean), np.array(self.std)
        if channels == 1:
            mean, std = mean.mean(keepdims=True), std.mean(keepdims=True)
        return affine(planes, layout == "NCHW", self.scale / std, -mean / std, np.dtype(dtype))

    def check_dtype(self, dtype: np.dtype[Any]) -> None:
        """
        Check that these settings can feed a model of this dtype.

        Raises
        ------
        OptionError
            If the model takes whole numbers and the settings do not hand the pixels on as they are, for int8
            less 128.

        """
        if dtype.kind not in "iu":
            return
        least = 128.0 if dtype == np.int8 else 0.0
        if self.scale != 1 or self.std != (1.0, 1.0, 1.0) or self.mean != (least, least, least):
            needed = "the pixels less 128 are needed (scale 1, mean 128)"
            raise OptionError(
                f"preprocess: scale {self.scale:.6g}, mean {self.mean}, std {self.std} were given for a "
                f"model that takes {dtype}; "
                + (needed if least else "the pixels themselves are needed (preset 'raw')")
            )


def _read_json(path: Path) -> Any:
    try:
        return json.loads(read_text(path))
    except OSError as error:
        raise OptionError(
            f"preprocess: {str(path)!r} is no preset and no file that can be read ({error.strerror}); "
            f"one of {', '.join(PRESETS)} or a JSON file is needed"
        ) from error
    except ValueError as error:
        raise OptionError(
            f"preprocess: {path} is not JSON ({error}); an object of settings is needed"
        ) from error


def _triple(name: str, given: Any) -> tuple[float, ...]:
    """Return three finite numbers; one number, alone or in a list, stands for all three channels."""
    values = list(given) if isinstance(given, list | tuple | np.ndarray) else [given]
    if len(values) not in (1, 3):
        raise OptionError(f"preprocess: {name} is {given!r}; one number or three are needed")
    return tuple(finite_number(f"preprocess: {name}", value) for value in (values * 3)[:3])


_IMAGENET = Preprocess(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))

PRESETS: dict[str, Preprocess] = {
    "imagenet": _IMAGENET,
    "torchvision": replace(_IMAGENET, geometry="crop"),
    "tf": Preprocess(scale=1.0, mean=(127.5,) * 3, std=(127.5,) * 3),
    "unit": Preprocess(),
    "raw": Preprocess(scale=1.0),
    "caffe": Preprocess(scale=1.0, mean=(103.939, 116.779, 123.68), channel_order="BGR"),
}


def _with_colour(colour: tuple[int, int, int]) -> str:
    return " with #{:02x}{:02x}{:02x}".format(*colour) if any(colour) else ""


def _numbers(values: tuple[float, float, float]) -> str:
    shown = [f"{value:.6g}" for value in values]
    return shown[0] if len(set(shown)) == 1 else f"({', '.join(shown)})"
