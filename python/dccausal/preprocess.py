"""From a photograph to what the model sees (geometry), and from there to the numbers it gets (normalisation).

The two steps are kept apart because masking happens between them: ``prepare`` gives the uint8 image ``x`` on
which pixels are masked, ``encode`` turns images of that kind into a tensor, each pixel on its own. So
``encode(where(masked, baseline, x))`` equals ``where(masked, encode(baseline), encode(x))`` bit for bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from dccausal._geometry import Placement, centre, fit
from dccausal.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL import Image

Geometry = Literal["squash", "crop", "pad"]
Interpolation = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
ChannelOrder = Literal["RGB", "BGR"]
Layout = Literal["NCHW", "NHWC"]

_MAX_SIDE = 16384
# ITU-R 601 luma in 1/65536, as Pillow's convert("L") has it.
_LUMA = np.array([19595, 38470, 7471], dtype=np.uint32)
_CHOICES: dict[str, tuple[str, ...]] = {
    "geometry": get_args(Geometry),
    "interpolation": get_args(Interpolation),
    "channel_order": get_args(ChannelOrder),
    "layout": get_args(Layout),
}


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
        does; "pad" fits the long side and fills the rest with ``pad_colour``.
    crop_ratio
        Share of the resized short side that "crop" keeps, in (0, 1].
    pad_colour
        (r, g, b) of the borders that "pad" adds, 0..255.
    interpolation
        Pillow's filter; all but "nearest" are antialiased.
    scale, mean, std
        A channel's value is ``(pixel * scale - mean) / std``, pixel in 0..255, to within float32 rounding.
        ``mean`` and ``std`` are in the model's order of channels; one number stands for all three.
    channel_order
        "RGB", or "BGR" for models trained on it (Caffe, OpenCV).
    layout
        "NCHW" or "NHWC" for models whose own shape leaves it open; None reads it from the model.

    Raises
    ------
    OptionError
        If a value is out of its range; the text names the field.

    """

    size: tuple[int, int] | None = None
    geometry: Geometry = "squash"
    crop_ratio: float = 0.875
    pad_colour: tuple[int, int, int] = (0, 0, 0)
    interpolation: Interpolation = "bilinear"
    scale: float = 1 / 255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    channel_order: ChannelOrder = "RGB"
    layout: Layout | None = None

    def __post_init__(self) -> None:
        """Check every field; bring lists and single numbers (as JSON gives them) into the declared form."""
        for name, choices in _CHOICES.items():
            given = getattr(self, name)
            if given not in choices and not (name == "layout" and given is None):
                raise OptionError(f"preprocess: {name} is {given!r}; one of {', '.join(choices)} is needed")
        put = object.__setattr__
        if self.size is not None:
            put(self, "size", _integers("size", self.size, 2, 2, _MAX_SIDE))
        put(self, "pad_colour", _integers("pad_colour", self.pad_colour, 3, 0, 255))
        put(self, "crop_ratio", _number("crop_ratio", self.crop_ratio))
        put(self, "scale", _number("scale", self.scale))
        put(self, "mean", _triple("mean", self.mean))
        put(self, "std", _triple("std", self.std))
        if not 0 < self.crop_ratio <= 1:
            raise OptionError(
                f"preprocess: crop_ratio is {self.crop_ratio}; more than 0 and at most 1 is needed"
            )
        if self.scale <= 0 or min(self.std) <= 0:
            raise OptionError(f"preprocess: scale is {self.scale}, std is {self.std}; more than 0 is needed")

    @classmethod
    def preset(cls, name: str) -> Preprocess:
        """
        Return one of ``PRESETS``: "imagenet" (mean and std), "tf" (-1..1), "unit" (0..1), "raw" (0..255).

        Raises
        ------
        OptionError
            If there is no such preset.

        """
        if name not in PRESETS:
            raise OptionError(f"preprocess: {name!r} is no preset; one of {', '.join(PRESETS)} is needed")
        return PRESETS[name]

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

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as a dict of plain numbers, strings and lists, ready for JSON."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()}

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
        from PIL import Image as ImageModule

        size = size or self.size
        if size is None:
            raise OptionError("preprocess: size is None; (height, width) is needed where no model gives it")
        height, width = size
        resample = ImageModule.Resampling[self.interpolation.upper()]
        if self.geometry == "pad":
            inner, left, top = fit(photo.size, size)
            canvas = ImageModule.new("RGB", (width, height), self.pad_colour)
            canvas.paste(photo.resize(inner, resample), (left, top))
            step_x, step_y = photo.width / inner[0], photo.height / inner[1]
            box = (-left * step_x, -top * step_y, (width - left) * step_x, (height - top) * step_y)
        else:
            box = (0.0, 0.0, float(photo.width), float(photo.height))
            if self.geometry == "crop":
                box = centre(photo.size, size, self.crop_ratio)
            canvas = photo.resize((width, height), resample, box=box)
        return np.array(canvas, dtype=np.uint8), Placement(photo_size=photo.size, box=box)

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
            float32, float16, float64, or uint8 (only where the values are the pixels themselves).
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
        planes = _luma(images) if channels == 1 else images
        if channels != 1 and self.channel_order == "BGR":
            planes = planes[..., ::-1]
        if layout == "NCHW":
            planes = planes.transpose(0, 3, 1, 2)
        planes = np.ascontiguousarray(planes)
        dtype = np.dtype(dtype)
        if dtype == np.uint8:
            self.check_dtype(dtype)
            return planes if planes.base is None else planes.copy()
        mean, std = np.array(self.mean), np.array(self.std)
        if channels == 1:
            mean, std = mean.mean(keepdims=True), std.mean(keepdims=True)
        gain, offset = self.scale / std, -mean / std
        values: NDArray[Any] = planes.astype(np.float64 if dtype == np.float64 else np.float32)
        if layout == "NCHW":
            gain, offset, view = gain[:, None, None], offset[:, None, None], values
        else:  # whole rows at once: an inner loop over three channels would be slow
            width = images.shape[2]
            gain, offset, view = (
                np.tile(gain, width),
                np.tile(offset, width),
                values.reshape(-1, width * channels),
            )
        view *= gain.astype(values.dtype)
        view += offset.astype(values.dtype)
        return values.astype(dtype, copy=False)

    def check_dtype(self, dtype: np.dtype[Any]) -> None:
        """
        Check that these settings can feed a model of this dtype.

        Raises
        ------
        OptionError
            If the model takes uint8 and the settings do not hand the pixels on as they are.

        """
        if dtype == np.uint8 and (self.scale != 1 or any(self.mean) or self.std != (1.0, 1.0, 1.0)):
            raise OptionError(
                f"preprocess: scale {self.scale:.6g}, mean {self.mean}, std {self.std} were given for a "
                "model that takes uint8; the pixels themselves are needed (preset 'raw')"
            )


def _luma(images: NDArray[Any]) -> NDArray[Any]:
    """Greyscale (N, H, W, 1) uint8 of RGB (N, H, W, 3) uint8."""
    return ((images @ _LUMA + 0x8000) >> 16).astype(np.uint8)[..., None]


def _number(name: str, given: Any) -> float:
    number = isinstance(given, int | float | np.number) and not isinstance(given, bool)
    if not number or not math.isfinite(given):
        raise OptionError(f"preprocess: {name} is {given!r}; a finite number is needed")
    return float(given)


def _triple(name: str, given: Any) -> tuple[float, ...]:
    """Return three finite numbers; one number, alone or in a list, stands for all three channels."""
    values = list(given) if isinstance(given, list | tuple | np.ndarray) else [given]
    if len(values) not in (1, 3):
        raise OptionError(f"preprocess: {name} is {given!r}; one number or three are needed")
    return tuple(_number(name, value) for value in (values * 3)[:3])


def _integers(name: str, given: Any, n: int, low: int, high: int) -> tuple[int, ...]:
    is_right = isinstance(given, list | tuple | np.ndarray) and len(given) == n
    if not is_right or not all(
        isinstance(v, int | np.integer) and not isinstance(v, bool) and low <= v <= high for v in given
    ):
        raise OptionError(
            f"preprocess: {name} is {given!r}; {n} whole numbers from {low} to {high} are needed"
        )
    return tuple(int(v) for v in given)


PRESETS: dict[str, Preprocess] = {
    "imagenet": Preprocess(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    "tf": Preprocess(scale=1.0, mean=(127.5,) * 3, std=(127.5,) * 3),
    "unit": Preprocess(),
    "raw": Preprocess(scale=1.0),
}
