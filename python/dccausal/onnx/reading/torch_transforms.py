"""torchvision's transforms as they print themselves: ``Compose(...)``, and those of a model's weights."""

from __future__ import annotations

import ast
import re
from typing import Any

from dccausal._shared.checks import whole_number
from dccausal.errors import OptionError
from dccausal.inputs.preprocess import Preprocess
from dccausal.onnx.reading.sidecar_geometry import Sides, interpolation, make_cut, three

_MAX_TEXT = 1 << 16
_STEP = re.compile(r"([A-Z]\w*)\(((?:[^()]|\([^()]*\))*)\)")
_VALUE = re.compile(r"(\w+)=(\[[^\]]*\]|\([^)]*\)|[^,\s]+)")
_IDLE = (
    "ToTensor",
    "PILToTensor",
    "ToImage",
    "ToPILImage",
    "ToPureTensor",
    "MaybeToTensor",
    "MaybePILToTensor",
    "ToDtype",
)
_IDLE_TOO = ("ConvertImageDtype",)

_Steps = list[tuple[str, dict[str, Any]]]


def transforms_settings(text: str, model: Sides) -> Preprocess:
    """
    Return the settings that printed transforms tell.

    Parameters
    ----------
    text
        What ``str()`` gives of them.
    model
        (height, width) that the model takes; None where it leaves them open.

    Raises
    ------
    OptionError
        If a step is not known, or a value is out of its range.

    """
    if len(text) > _MAX_TEXT:
        raise OptionError(f"it has {len(text)} characters; at most {_MAX_TEXT} are read")
    return _of_steps(_steps(text), model)


def _steps(text: str) -> _Steps:
    """Return the names and values of the steps; those of a model's weights as the steps that they stand for."""
    outer = re.match(r"\s*(\w+)\s*\(", text)
    if outer is None:
        raise OptionError(f"{text[:60]!r} is no transform")
    if outer[1] != "ImageClassification":
        return [(name, _values(inside)) for name, inside in _STEP.findall(text[outer.end() :])]
    values = _values(text[outer.end() :])
    return [
        ("Resize", {"size": values["resize_size"], "interpolation": values.get("interpolation", "bilinear")}),
        ("CenterCrop", {"size": values["crop_size"]}),
        ("Normalize", values),
    ]


def _of_steps(steps: _Steps, model: Sides) -> Preprocess:
    resized: Any = None
    cut: tuple[int, int] | None = None
    pixels: dict[str, Any] = {}
    filter_name = "bilinear"
    for name, values in steps:
        if name == "Resize":
            resized, filter_name = values.get("size"), values.get("interpolation", "bilinear")
            if values.get("max_size") is not None:
                raise OptionError(
                    "max_size gives images of another shape for each photograph; none is needed"
                )
        elif name == "CenterCrop":
            cut = _pair(values.get("size"))
        elif name == "Normalize":
            pixels = {key: three(key, values.get(key)) for key in ("mean", "std")}
        elif name not in (*_IDLE, *_IDLE_TOO):
            raise OptionError(f"what {name} does is not known")
    sides = list(resized) if isinstance(resized, list | tuple) else [resized]
    if resized is None or (len(sides) == 1 and cut is None):
        raise OptionError("it does not resize and cut, so its images have another shape for each photograph")
    whole = _pair(sides[0] if len(sides) == 1 else sides)
    how = "crop" if len(sides) == 1 else "squash" if cut in (None, whole) else "squash-crop"
    made = make_cut(model, sides=cut or whole, geometry=how, whole=whole)  # type: ignore[arg-type]
    return Preprocess(**made, interpolation=interpolation(str(filter_name)), **pixels)


def _values(text: str) -> dict[str, Any]:
    """Return the values of a step by their names."""
    found: dict[str, Any] = {}
    for key, value in _VALUE.findall(text):
        word = value.removeprefix("InterpolationMode.").strip()
        try:
            found[key] = ast.literal_eval(word)
        except (ValueError, SyntaxError):
            found[key] = word.lower()
    return found


def _pair(given: Any) -> tuple[int, int]:
    sides = list(given) if isinstance(given, list | tuple) else [given]
    height, width = (whole_number("size", side, 1) for side in (sides * 2)[:2])
    return height, width
