"""
Lists of steps that deployment toolkits write beside a model.

They are ``inference.yml`` of PaddleClas and PaddleX, and ``pipeline.json`` of MMDeploy (MMPretrain, MMClassification).
Both load photographs as OpenCV does, so the filter is OpenCV's where nothing else is said.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dccausal._shared.checks import finite_number, whole_number
from dccausal.errors import OptionError
from dccausal.inputs.drawing import Interpolation
from dccausal.inputs.framing import Rounding
from dccausal.inputs.preprocess import Preprocess
from dccausal.onnx.reading.names import read_labels
from dccausal.onnx.reading.sidecar_geometry import Sides, interpolation, make_cut, three

_PILLOW = ("pil", "pillow")
_LINEAR = ("linear", "bilinear")
# Steps that change nothing of what a classifier gets.
_PADDLE_IDLE = ("DecodeImage", "ToCHWImage", "KeepKeys")
_OPENMM_IDLE = (
    *("LoadImageFromFile", "ImageToTensor", "DefaultFormatBundle", "Collect", "PackInputs", "Lift"),
    *("PackClsInputs", "ToTensor"),
)


@dataclass
class _Steps:
    """What has been read of the steps so far."""

    short: int | None = None
    both: tuple[int, int] | None = None
    cut: tuple[int, int] | None = None
    filter_name: Interpolation = "opencv"
    pixels: dict[str, Any] | None = None

    def settings(self, model: Sides, rounding: Rounding) -> Preprocess:
        pixels = {"scale": 1.0} if self.pixels is None else self.pixels
        if self.short is not None:
            cut = self.cut
            if cut is None:
                raise OptionError(
                    f"it resizes the short side to {self.short} and cuts nothing, so its images have another shape for "
                    "each photograph"
                )
            made = make_cut(model, sides=cut, geometry="crop", whole=(self.short, self.short))
        elif self.both is None:
            if self.cut is None:
                raise OptionError("it resizes nothing")
            made = make_cut(model, sides=self.cut, geometry="native", whole=self.cut)
        elif self.cut is None or self.cut == self.both:
            made = make_cut(model, sides=self.both, geometry="squash", whole=self.both)
        else:
            made = make_cut(model, sides=self.cut, geometry="squash-crop", whole=self.both)
        return Preprocess(**made, rounding=rounding, interpolation=self.filter_name, **pixels)


_Step = Callable[[_Steps, Mapping[str, Any]], None]


def _followed(
    given: Iterable[tuple[str, Mapping[str, Any]]], known: Mapping[str, _Step], idle: Collection[str]
) -> _Steps:
    """Return what steps do, one after the other; raises OptionError for one that is not known."""
    steps = _Steps()
    for name, values in given:
        if name in known:
            known[name](steps, values)
        elif name not in idle:
            raise OptionError(f"what {name} does is not known")
    return steps


def is_paddle(document: Mapping[str, Any]) -> bool:
    """Return whether ``inference.yml`` is one of PaddleClas or PaddleX."""
    part = document.get("PreProcess")
    return isinstance(part, Mapping) and isinstance(part.get("transform_ops"), list)


def paddle_settings(document: Mapping[str, Any], model: Sides) -> Preprocess:
    """
    Return the settings that ``inference.yml`` tells.

    Raises
    ------
    OptionError
        If it holds a step that is not known, or a value is out of its range.

    """
    return _followed(_paddle_steps(document), _PADDLE, _PADDLE_IDLE).settings(model, "paddle")


def paddle_pixels(document: Mapping[str, Any]) -> Preprocess:
    """Return what ``inference.yml`` tells of pixels alone; raises as ``paddle_settings``."""
    found = [values for name, values in _paddle_steps(document) if name == "NormalizeImage"]
    return Preprocess(**_paddle_pixels(found[0]))


def paddle_names(document: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the class names in ``inference.yml``; None without any."""
    part = document.get("PostProcess")
    for values in part.values() if isinstance(part, Mapping) else ():
        names = values.get("label_list") if isinstance(values, Mapping) else None
        if isinstance(names, list | Mapping) and names:
            return read_labels([str(name) for name in names] if isinstance(names, list) else names)
    return None


def _paddle_steps(document: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    for step in document["PreProcess"]["transform_ops"]:
        for name, values in step.items() if isinstance(step, Mapping) else [(str(step), {})]:
            yield str(name), values if isinstance(values, Mapping) else {}


def _paddle_cut(steps: _Steps, values: Mapping[str, Any]) -> None:
    steps.cut = _pair(values.get("size", 224), "size", is_width_first=True)


def _paddle_normalise(steps: _Steps, values: Mapping[str, Any]) -> None:
    steps.pixels = _paddle_pixels(values)


def _paddle_resize(steps: _Steps, values: Mapping[str, Any]) -> None:
    if values.get("resize_short"):
        steps.short = whole_number("resize_short", values["resize_short"], 1)
    else:
        steps.both = _pair(values.get("size"), "size", is_width_first=True)
    steps.filter_name = _filter(values.get("interpolation"), values.get("backend"))


def _paddle_pixels(values: Mapping[str, Any]) -> dict[str, Any]:
    if str(values.get("order") or "") not in ("", "hwc"):
        raise OptionError(f"order is {values['order']!r}; '' is needed")
    mean, std = values.get("mean"), values.get("std")
    return {
        "scale": _quotient(values.get("scale", 1 / 255)),
        "mean": three("mean", (0.485, 0.456, 0.406) if mean is None else mean),
        "std": three("std", (0.229, 0.224, 0.225) if std is None else std),
    }


def _quotient(given: Any) -> float:
    """Return a number, given as such or as "1.0/255.0"."""
    if not isinstance(given, str):
        return finite_number("scale", given)
    above, _, below = given.partition("/")
    return float(above) / float(below or 1)


_PADDLE: Mapping[str, _Step] = {
    "ResizeImage": _paddle_resize,
    "CropImage": _paddle_cut,
    "NormalizeImage": _paddle_normalise,
}


# MMDeploy


def openmm_steps(document: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """Return the steps in MMDeploy's ``pipeline.json``; None where it is no such file."""
    pipeline = document.get("pipeline")
    tasks = pipeline.get("tasks") if isinstance(pipeline, Mapping) else None
    for task in tasks if isinstance(tasks, list) else ():
        if isinstance(task, Mapping) and isinstance(task.get("transforms"), list):
            return [step for step in task["transforms"] if isinstance(step, Mapping)]
    return None


def openmm_settings(document: Mapping[str, Any], model: Sides) -> Preprocess:
    """
    Return the settings that ``pipeline.json`` tells.

    Raises
    ------
    OptionError
        If it holds a step that is not known, or a value is out of its range.

    """
    named = ((str(values.get("type")), values) for values in openmm_steps(document) or ())
    return _followed(named, _OPENMM, _OPENMM_IDLE).settings(model, "torchvision")


def openmm_pixels(document: Mapping[str, Any]) -> Preprocess:
    """Return what ``pipeline.json`` tells of pixels alone; raises as ``openmm_settings``."""
    found = [values for values in openmm_steps(document) or () if values.get("type") == "Normalize"]
    return Preprocess(**_openmm_pixels(found[0]))


def _openmm_resize(steps: _Steps, values: Mapping[str, Any]) -> None:
    size = values.get("size", values.get("scale"))
    steps.filter_name = _filter(values.get("interpolation"), values.get("backend"))
    if values.get("type") == "ResizeEdge":
        if values.get("edge", "short") != "short":
            raise OptionError(f"edge is {values['edge']!r}; 'short' is needed")
        steps.short = whole_number("scale", size, 1)
    elif isinstance(size, list | tuple) and len(size) == 2 and -1 in size:  # noqa: PLR2004
        steps.short = whole_number("size", max(size), 1)
    elif values.get("keep_ratio"):
        raise OptionError(
            "it keeps the proportions of photographs, so its images have another shape for each"
        )
    else:
        steps.both = _pair(size, "size")


def _openmm_cut(steps: _Steps, values: Mapping[str, Any]) -> None:
    steps.cut = _pair(values.get("crop_size"), "crop_size")


def _openmm_normalise(steps: _Steps, values: Mapping[str, Any]) -> None:
    steps.pixels = _openmm_pixels(values)


_OPENMM: Mapping[str, _Step] = {
    "Resize": _openmm_resize,
    "ResizeEdge": _openmm_resize,
    "CenterCrop": _openmm_cut,
    "Normalize": _openmm_normalise,
}


def _openmm_pixels(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "scale": 1.0,
        "mean": three("mean", values.get("mean")),
        "std": three("std", values.get("std")),
        "channel_order": "RGB" if values.get("to_rgb", True) else "BGR",
    }


def _filter(name: Any, backend: Any) -> Interpolation:
    """Return the filter of a name, by what computes it: OpenCV does not smooth, and only its bilinear is known here."""
    name = "bilinear" if name is None else str(name).lower()
    if str(backend or "cv2").lower() in _PILLOW:
        return interpolation("lanczos" if name == "lanczos4" else name)
    if name not in _LINEAR:
        raise OptionError(f"it resizes by OpenCV's {name}; bilinear, or Pillow's filters, are needed")
    return "opencv"


def _pair(given: Any, key: str, *, is_width_first: bool = False) -> tuple[int, int]:
    sides = list(given) if isinstance(given, list | tuple) else [given, given]
    first, second = (whole_number(key, side, 1) for side in sides)
    return (second, first) if is_width_first else (first, second)
