"""
What Hugging Face's classes of image processors do where a file does not say.

transformers 5 leaves keys out that are None, and older versions had keys that are newer than their files; what is
absent is then the class's own default, and that differs. The table is of transformers 4.57. 5.24 has other filters for
ConvNeXt, EfficientNet and MobileViT, but no version leaves the filter out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dccausal.inputs.framing import Rounding

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_FLAVA = _CLIP
_PPLC = ((0.406, 0.456, 0.485), (0.225, 0.224, 0.229))

_BILINEAR, _BICUBIC = 2, 3
# As they end, by version and by what computes.
_ENDINGS = ("ImageProcessorFast", "ImageProcessorPil", "ImageProcessor", "FeatureExtractor")
# The processors of transformers 4 that call torchvision, whose margins are rounded otherwise.
_BY_TORCHVISION = ("ConvNextImageProcessorFast", "BridgeTowerImageProcessorFast")


@dataclass(frozen=True)
class Processor:
    """
    A class of image processors.

    Attributes
    ----------
    size
        Its default, as in the file.
    mean_and_std
        Of its normalisation.
    resample
        Pillow's number of its filter.
    crop
        The side of what it cuts out of the centre by default; None where it cuts nothing.
    is_short
        Whether a size that is one number is the short side.
    more
        Values of other keys.
    flips
        Whether it knows the key that turns RGB into BGR.
    cuts
        Whether it knows the keys that cut the centre out.

    """

    size: int | tuple[int, int]
    mean_and_std: tuple[tuple[float, ...], tuple[float, ...]] = _IMAGENET
    resample: int = _BILINEAR
    crop: int | None = None
    is_short: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)
    flips: bool = False
    cuts: bool = True

    def defaults(self) -> dict[str, Any]:
        """Return the values of all keys, as in the file."""
        height, width = self.size if isinstance(self.size, tuple) else (self.size, self.size)
        mean, std = self.mean_and_std
        return {
            "size": {"shortest_edge": height} if self.is_short else {"height": height, "width": width},
            "crop_size": None if self.crop is None else {"height": self.crop, "width": self.crop},
            "do_center_crop": self.crop is not None,
            "do_normalize": True,
            "image_mean": list(mean),
            "image_std": list(std),
            "resample": self.resample,
            **self.more,
        }


_RAW = {"do_normalize": False}

PROCESSORS: Mapping[str, Processor] = {
    "Beit": Processor(224, _HALF, _BICUBIC, more={"crop_size": {"height": 224, "width": 224}}),
    "Bit": Processor(224, _CLIP, _BICUBIC, 224, is_short=True),
    "Blip": Processor(384, _CLIP, _BICUBIC),
    "CLIP": Processor(224, _CLIP, _BICUBIC, 224, is_short=True),
    "ChineseCLIP": Processor(224, _CLIP, _BICUBIC, 224, is_short=True),
    "ConvNext": Processor(384, _HALF, _BILINEAR, is_short=True, more={"crop_pct": 224 / 256}),
    "ConditionalDetr": Processor(800, is_short=True, cuts=False),
    "DINOv3ViT": Processor(224, _IMAGENET, _BILINEAR),
    "DPT": Processor(384, _HALF, _BICUBIC),
    "DeformableDetr": Processor(800, is_short=True, cuts=False),
    "DeiT": Processor(256, _HALF, _BICUBIC, 224),
    "Detr": Processor(800, is_short=True, cuts=False),
    "EfficientLoFTR": Processor((480, 640), more=_RAW),
    "EfficientNet": Processor(346, _HALF, 0, more={"include_top": True}),
    "Flava": Processor(224, _FLAVA, _BICUBIC, 224),
    "Gemma3": Processor(224, _HALF, _BILINEAR),
    "GroundingDino": Processor(800, is_short=True, cuts=False),
    "LayoutLMv2": Processor(
        224, more={**_RAW, "do_rescale": False, "do_flip_channel_order": True}, flips=True
    ),
    "LayoutLMv3": Processor(224, _HALF, _BILINEAR),
    "Levit": Processor(224, _IMAGENET, _BICUBIC, 224, is_short=True),
    "LightGlue": Processor((480, 640), more=_RAW),
    "Llava": Processor(224, _CLIP, _BICUBIC, 224, is_short=True),
    "Mask2Former": Processor(800, is_short=True, cuts=False),
    "MaskFormer": Processor(800, is_short=True, cuts=False),
    "MobileNetV1": Processor(256, _HALF, _BILINEAR, 224, is_short=True),
    "MobileNetV2": Processor(256, _HALF, _BILINEAR, 224, is_short=True),
    "MobileViT": Processor(
        224, _HALF, _BILINEAR, 256, is_short=True, more={**_RAW, "do_flip_channel_order": True}, flips=True
    ),
    "OneFormer": Processor(800, is_short=True, cuts=False),
    "OwlViT": Processor(768, _CLIP, _BICUBIC, more={"crop_size": {"height": 768, "width": 768}}),
    "PPLCNet": Processor(256, _PPLC, _BILINEAR, 224, more={"resize_short": 256, "size_divisor": 1}),
    "Perceiver": Processor(224, _IMAGENET, _BICUBIC, 256),
    "PoolFormer": Processor(224, _IMAGENET, _BICUBIC, 224, is_short=True, more={"crop_pct": 0.9}),
    "Pvt": Processor(224, _IMAGENET, _BILINEAR),
    "RTDetr": Processor(640, more=_RAW),
    "ResNet": Processor(224, _IMAGENET, _BICUBIC, is_short=True, more={"crop_pct": 224 / 256}),
    "Segformer": Processor(512, _IMAGENET, _BILINEAR, cuts=False),
    "Siglip": Processor(224, _HALF, _BICUBIC),
    "SuperGlue": Processor((480, 640), more=_RAW),
    "SuperPoint": Processor((480, 640), more=_RAW),
    "Tipsv2": Processor(448, more=_RAW),
    "Tipsv2Dpt": Processor(448, more=_RAW),
    "ViT": Processor(224, _HALF, _BILINEAR),
    "ViTHybrid": Processor(384, _HALF, _BICUBIC, 384, is_short=True),
    "VitPose": Processor((256, 192)),
    "Yolos": Processor(800, is_short=True, cuts=False),
}

# Classes that make images of another shape for each photograph, or several of one, or no pixels at all.
_NOT_FOLLOWED: Mapping[str, str] = {
    "BridgeTower": "brings sides to multiples of 32",
    "Donut": "turns and pads photographs",
    "GLPN": "brings sides to multiples of 32",
    "Gemma4": "cuts photographs into patches",
    "Gemma4Unified": "cuts photographs into patches",
    "Idefics2": "cuts photographs into tiles",
    "Idefics3": "cuts photographs into tiles",
    "ImageGPT": "makes colours of a palette, no pixels",
    "Inkling": "cuts photographs into patches",
    "Inkling2": "cuts photographs into patches",
    "Janus": "pads photographs to squares",
    "Owlv2": "pads photographs to squares",
    "PPDocLayoutV2": "resizes without antialiasing",
    "PPDocLayoutV3": "resizes without antialiasing",
    "PPDocLayoutV4": "resizes without antialiasing",
    "PPOCRV5ServerDet": "keeps the proportions of photographs",
    "Pix2Struct": "cuts photographs into patches",
    "Sam": "pads photographs",
    "Siglip2": "cuts photographs into patches",
    "TextNet": "brings sides to multiples of 32 and cuts nothing",
    "Tvp": "pads photographs",
    "VideoMAE": "makes videos",
    "UVDoc": "makes images for another purpose",
    "Vilt": "brings sides to multiples of 32",
    "Vivit": "makes videos",
}

# Keys of classes that do more than resize, cut and normalise. Of a class that is not known, one of them is a reason
# to follow nothing.
FOREIGN_KEYS = frozenset(
    {
        *("auto_map", "background_color", "crop_to_patches", "do_align_long_axis", "do_image_splitting"),
        *("do_pan_and_scan", "do_thumbnail", "ensure_multiple_of", "image_grid_pinpoints", "max_image_size"),
        *("max_image_tiles", "max_patches", "max_pixels", "merge_size", "min_image_size", "min_patches"),
        *("min_pixels", "min_size", "patch_size", "size_divisibility", "size_divisor", "spatial_factor"),
        *("split_image", "split_resolutions", "temporal_patch_size", "tile_size"),
    }
)


def class_of(kind: str) -> str:
    """Return a class's name without what all of them end in: "ViT" of "ViTImageProcessorFast"."""
    for ending in _ENDINGS:
        if kind.endswith(ending):
            return kind.removesuffix(ending)
    return kind


def rounding_of(kind: str) -> Rounding:
    """Return whose roundings the class follows."""
    if class_of(kind) == "PPLCNet":
        return "paddle"
    return "torchvision" if kind in _BY_TORCHVISION else "transformers"


def not_followed(kind: str) -> str | None:
    """Return what a class does that ``Preprocess`` cannot do, in words; None where it can."""
    return _NOT_FOLLOWED.get(class_of(kind))
