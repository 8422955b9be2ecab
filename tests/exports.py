"""
The files that exporters write beside a model, as they write them: keys, spelling and nesting are theirs.

Each function returns the documents by file name; ``export`` puts them beside a small model.
"""

from __future__ import annotations

import json

from small_models import build

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
HALF = ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
CLIP = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
NAMES = ("tench, Tinca tinca", "goldfish, Carassius auratus", "great white shark", "tiger shark")


def export(folder, documents=None, *, size=(32, 32), place=".", **model):
    """Write a model of four classes and what an exporter puts beside it; return the model's path."""
    path = folder / place / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(build(size=size, **model))
    for name, document in (documents or {}).items():
        text = document if isinstance(document, str) else json.dumps(document, indent=2)
        (folder / name).write_text(text)
    return path


def optimum(processor, **config):
    """``optimum-cli export onnx``: the model's configuration and its image processor's."""
    return {
        "config.json": {
            "_name_or_path": "google/vit-base-patch16-224",
            "architectures": ["ViTForImageClassification"],
            "id2label": {str(i): name for i, name in enumerate(NAMES)},
            "label2id": {name: i for i, name in enumerate(NAMES)},
            "image_size": 224,
            "model_type": "vit",
            "transformers_version": "4.51.3",
            **config,
        },
        "preprocessor_config.json": processor,
    }


def _normalised(mean_and_std, **more):
    mean, std = mean_and_std
    return {
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": mean,
        "image_std": std,
        "rescale_factor": 0.00392156862745098,
        **more,
    }


def vit():
    return _normalised(
        HALF, image_processor_type="ViTImageProcessor", resample=2, size={"height": 224, "width": 224}
    )


def vit_of_2021():
    """Before image processors had rescale_factor and a size by sides."""
    mean, std = HALF
    return {
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "ViTFeatureExtractor",
        "image_mean": mean,
        "image_std": std,
        "resample": 2,
        "size": 224,
    }


def deit():
    return _normalised(
        IMAGENET,
        crop_size={"height": 224, "width": 224},
        do_center_crop=True,
        image_processor_type="DeiTImageProcessor",
        resample=3,
        size={"height": 256, "width": 256},
    )


def clip():
    return _normalised(
        CLIP,
        crop_size={"height": 224, "width": 224},
        do_center_crop=True,
        do_convert_rgb=True,
        image_processor_type="CLIPImageProcessor",
        resample=3,
        size={"shortest_edge": 224},
    )


def mobilenet():
    return _normalised(
        HALF,
        crop_size={"height": 224, "width": 224},
        do_center_crop=True,
        image_processor_type="MobileNetV2ImageProcessor",
        resample=2,
        size={"shortest_edge": 256},
    )


def mobilevit():
    """BGR, and no mean."""
    return {
        "crop_size": {"height": 256, "width": 256},
        "do_center_crop": True,
        "do_flip_channel_order": True,
        "do_rescale": True,
        "do_resize": True,
        "image_processor_type": "MobileViTImageProcessor",
        "resample": 2,
        "rescale_factor": 0.00392156862745098,
        "size": {"shortest_edge": 288},
    }


def convnext(side=224):
    return _normalised(
        IMAGENET,
        crop_pct=0.875,
        image_processor_type="ConvNextImageProcessor",
        resample=3,
        size={"shortest_edge": side},
    )


def resnet_of_2022():
    mean, std = IMAGENET
    return {
        "crop_pct": 0.875,
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "ConvNextFeatureExtractor",
        "image_mean": mean,
        "image_std": std,
        "resample": 3,
        "size": 224,
    }


def efficientnet():
    """Divides by the standard deviation twice."""
    return _normalised(
        ([0.485, 0.456, 0.406], [0.47853944, 0.4732864, 0.47434163]),
        crop_size={"height": 289, "width": 289},
        do_center_crop=False,
        image_processor_type="EfficientNetImageProcessor",
        include_top=True,
        resample=0,
        rescale_offset=False,
        size={"height": 224, "width": 224},
    )


def levit():
    return _normalised(
        IMAGENET,
        crop_size={"height": 224, "width": 224},
        do_center_crop=True,
        image_processor_type="LevitImageProcessor",
        resample=3,
        size={"shortest_edge": 224},
    )


def timm(**pretrained_cfg):
    """config.json of timm's models on the hub."""
    return {
        "config.json": {
            "architecture": "resnet50",
            "num_classes": 4,
            "num_features": 2048,
            "pretrained_cfg": {
                "tag": "a1_in1k",
                "custom_load": False,
                "input_size": [3, 224, 224],
                "test_input_size": [3, 288, 288],
                "fixed_input_size": False,
                "interpolation": "bicubic",
                "crop_pct": 0.95,
                "test_crop_pct": 1.0,
                "crop_mode": "center",
                "mean": IMAGENET[0],
                "std": IMAGENET[1],
                "num_classes": 4,
                "pool_size": [7, 7],
                "first_conv": "conv1",
                "classifier": "fc",
                **pretrained_cfg,
            },
        }
    }


def timm_fine_tuned():
    """What ``push_to_hf_hub`` writes with labels: synsets, and what they mean."""
    documents = timm(interpolation="bilinear", crop_pct=1.0, crop_mode="squash")
    documents["config.json"] |= {
        "label_names": ["n01440764", "n01443537", "n01484850", "n01491361"],
        "label_descriptions": dict(
            zip(["n01440764", "n01443537", "n01484850", "n01491361"], NAMES, strict=True)
        ),
    }
    return documents
