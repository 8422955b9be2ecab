"""
The files that exporters write beside a model, as they write them: keys, spelling and nesting are theirs.

Each function returns the documents by file name; ``export`` puts them beside a small model.
"""

from __future__ import annotations

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

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


def dressed(
    model, *, inputs="image", outputs="scores", producer="", opset=17, before=(), inner=False, metadata=None
):
    """
    Return a model of ``build`` in an exporter's dress.

    ``before`` are operations with a constant that come first; ``inner`` keeps their constants in nodes, as the
    exporter of TorchScript does.
    """
    model = onnx.load_from_string(model)
    graph, at = model.graph, inputs
    added = []
    for i, (op, value) in enumerate(before):
        constant = numpy_helper.from_array(np.array(value, np.float32), f"constant{i}")
        if inner:
            added.append(helper.make_node("Constant", [], [f"constant{i}"], value=constant))
        else:
            graph.initializer.append(constant)
        added.append(helper.make_node(op, [at, f"constant{i}"], [f"before{i}"]))
        at = f"before{i}"
    for node in graph.node:
        node.input[:] = [at if name == "image" else name for name in node.input]
        node.output[:] = [outputs if name == "scores" else name for name in node.output]
    for node in reversed(added):
        graph.node.insert(0, node)
    graph.input[0].name, graph.output[0].name = inputs, outputs
    model.producer_name = producer
    model.opset_import[0].version = opset
    if opset >= 18:  # axes became an input
        _modern_mean(graph)
    helper.set_model_props(model, metadata or {})
    return model.SerializeToString()


def _modern_mean(graph):
    (mean,) = [node for node in graph.node if node.op_type == "ReduceMean"]
    (axes,) = [list(a.ints) for a in mean.attribute if a.name == "axes"]
    kept = [a for a in mean.attribute if a.name != "axes"]
    del mean.attribute[:]
    mean.attribute.extend(kept)
    mean.input.append("axes")
    graph.initializer.append(helper.make_tensor("axes", TensorProto.INT64, [len(axes)], axes))


def torchvision_script(**more):
    """``torch.onnx.export(dynamo=False)``: a fixed batch of 1, numbers for names, nothing else."""
    return dressed(build(batch=1, size=(32, 32)), inputs="input.1", outputs="191", producer="pytorch", **more)


def torchvision_dynamo(**more):
    """``torch.onnx.export(dynamo=True)``: names of the module's own arguments, opset 18 or later."""
    model = build(batch="s77", size=(32, 32))
    return dressed(model, inputs="x", outputs="linear", producer="pytorch", opset=18, **more)


def timm_script():
    """timm's own script: input0 and output0, and nothing beside it but what the user downloaded."""
    return dressed(build(size=(32, 32)), inputs="input0", outputs="output0", producer="pytorch", opset=18)


def optimum_model():
    """Optimum leaves every dimension open, that of the channels too."""
    shape = ["batch_size", "num_channels", "height", "width"]
    return dressed(build(shape=shape), inputs="pixel_values", outputs="logits", producer="pytorch", opset=18)


def keras(before=(), size=(32, 32)):
    """``model.export(format="onnx")``, which is tf2onnx: NHWC, the layer's name, Softmax in the graph."""
    model = build(layout="NHWC", batch="unk__617", size=size, end=["Softmax"])
    return dressed(model, inputs="input_layer", outputs="predictions", producer="tf2onnx", before=before)


# What Keras' models begin with: a layer Rescaling, then Normalization; tf2onnx turns each into two operations.
KERAS_EFFICIENTNET = (
    ("Mul", 1 / 255),
    ("Add", 0.0),
    ("Sub", [[[IMAGENET[0]]]]),
    ("Div", [[[np.sqrt(IMAGENET[1])]]]),
    ("Mul", 1 / np.sqrt(IMAGENET[1])),
)
KERAS_MOBILENET_V3 = (("Mul", 1 / 127.5), ("Add", -1.0))
KERAS_CONVNEXT = (
    ("Sub", [[[[255 * mean for mean in IMAGENET[0]]]]]),
    ("Div", [[[[255 * std for std in IMAGENET[1]]]]]),
)


def ultralytics(size=(32, 32), *, dynamic=False, task="classify"):
    """``yolo export format=onnx``: images and output0, probabilities, and metadata written as Python does."""
    shape = ["batch", 3, "height", "width"] if dynamic else [1, 3, *size]
    metadata = {
        "description": "Ultralytics YOLO11n-cls model trained on /datasets/imagenet",
        "author": "Ultralytics",
        "date": "2026-10-01T10:00:00.000000+00:00",
        "version": "8.4.190",
        "license": "AGPL-3.0 License (https://ultralytics.com/license)",
        "docs": "https://docs.ultralytics.com",
        "stride": "1",
        "task": task,
        "head": "Classify",
        "batch": "1",
        "imgsz": str(list(size)),
        "names": str(dict(enumerate(["tench", "cock's comb", 'a "b"', "d"]))),
        "args": "{'batch': 1, 'quantize': None, 'dynamic': False, 'simplify': True, 'opset': None}",
        "channels": "3",
        "end2end": "False",
    }
    model = build(shape=shape, size=size, end=["Softmax"])
    return dressed(model, inputs="images", outputs="output0", producer="pytorch", metadata=metadata)
