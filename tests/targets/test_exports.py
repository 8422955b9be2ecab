"""Detectors of real exporters, compared with what the frameworks make of them; the files lie beside the repository."""

import json
from pathlib import Path

import numpy as np
import pytest

from dccausal import OnnxModel, load_photo
from dccausal.targets import Similarity
from dccausal.targets.decoders.yolo import masks_of

SHARED = Path(__file__).resolve().parents[3] / "shared" / "cases"
PHOTOGRAPHS = SHARED / "exports" / "photographs"
FOLDERS = sorted(path.parent.name for path in SHARED.glob("tasks/*/expected.json"))
if not FOLDERS:
    pytest.skip("the exports are not here", allow_module_level=True)
BOX = 1.0  # pixel: some versions divide both axes by one ratio


def expected(folder):
    return json.loads((SHARED / "tasks" / folder / "expected.json").read_text())


DETECTORS = [one for one in FOLDERS if expected(one)["task"] in ("detect", "object-detection", "segment")]


def opened(folder, **options):
    told = expected(folder)
    if not (SHARED / "tasks" / folder / "config.json").exists() and not folder.startswith("ul_"):
        options["labels"] = told["class_names"]
    return OnnxModel(SHARED / "tasks" / folder / "model.onnx", device="cpu", threads=1, **options), told


@pytest.mark.parametrize("folder", DETECTORS)
def test_boxes_are_those_of_the_framework(folder):
    model, told = opened(folder, threshold=expected(folder)["conf"])
    assert model.gives == "boxes"
    for name, picture in told["pictures"].items():
        photo = load_photo(PHOTOGRAPHS / name)
        x, _ = model.prepare(photo)
        tensor = model.encode(x[None]).ravel()
        assert tensor[told["at"]] == pytest.approx(picture["values"], abs=1e-4)
        found = model.detect(photo)
        assert len(found) == picture["n"]
        for x0, y0, x1, y1, label, score in picture["detections"]:
            same = found[found[:, 5] == label]
            nearest = np.abs(same[:, :4] - [x0, y0, x1, y1]).max(axis=1)
            assert nearest.min() < BOX
            assert same[nearest.argmin(), 4] == pytest.approx(score, abs=2e-3)
        assert tuple(model.names or ()) == tuple(told["class_names"])


@pytest.mark.parametrize("folder", [one for one in DETECTORS if expected(one)["task"] == "segment"])
def test_masks_are_those_of_the_framework(folder):
    model, told = opened(folder, threshold=expected(folder)["conf"])
    for name, picture in told["pictures"].items():
        answer, frame = model.look(load_photo(PHOTOGRAPHS / name))
        found, which = answer.selected()
        masks = masks_of(answer, which, frame.size)
        for i, (own, area) in enumerate(zip(picture["detections"], picture["masks"]["area"], strict=True)):
            nearest = (np.abs(found[:, 4] - own[5]) + (found[:, 5] != own[4])).argmin()
            assert masks[nearest].sum() == pytest.approx(area, abs=max(3, 0.01 * area))
            if i < len(picture["masks"]["first3"]):
                at = masks[nearest].ravel()[picture["masks"]["at"]]
                assert np.mean(at == np.array(picture["masks"]["first3"][i], bool)) > 0.95


SEGMENTERS = [one for one in FOLDERS if "segmentation" in expected(one)["task"]]
TOWERS = [one for one in FOLDERS if "embedding_output" in expected(one) and "prompts" in expected(one)]
FEATURES = [one for one in FOLDERS if "cosine_to" in str(expected(one)["pictures"])]


@pytest.mark.parametrize("folder", SEGMENTERS)
def test_maps_are_those_of_the_framework(folder):
    model, told = opened(folder)
    for name, picture in told["pictures"].items():
        photo = load_photo(PHOTOGRAPHS / name)
        maps, _ = model.look(photo)
        size = tuple(picture["photo_map"]["size_hw"])
        for key, labels in (("photo_map", maps.labels(size=size)), ("logits_map", maps.labels())):
            counts = np.bincount(labels.ravel(), minlength=maps.n_labels)
            assert np.abs(counts - picture[key]["histogram"]).sum() <= 4
            assert labels.ravel()[picture[key]["at"]].tolist() == picture[key]["labels"]


@pytest.mark.parametrize("folder", TOWERS)
def test_prompts_are_as_near_as_the_framework_says(folder):
    model, told = opened(folder, gives="embeddings")
    place = SHARED / "tasks" / folder
    projection = place / "visual_projection.npy"
    similarity = Similarity(
        np.load(place / "text_embeds.npy"),
        scale=told["logit_scale"],
        bias=told.get("logit_bias"),
        projection=np.load(projection) if projection.exists() else None,
    )
    for name, picture in told["pictures"].items():
        embedding, _ = model.look(load_photo(PHOTOGRAPHS / name))
        wanted = picture.get("sigmoid") or picture["softmax"]
        assert similarity.read(embedding, 1)[0] == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("folder", FEATURES)
def test_photographs_are_as_alike_as_the_framework_says(folder):
    model, told = opened(folder, gives="embeddings")
    photos = {name: PHOTOGRAPHS / name for name in told["pictures"]}
    for name, picture in told["pictures"].items():
        if "cosine_to" not in picture:
            continue
        embedding, _ = model.look(load_photo(photos[name]))
        for other, cosine in picture["cosine_to"].items():
            like = Similarity([photos[other]]).embedded(lambda path: model.look(load_photo(path))[0][0])
            assert like.read(embedding, 1)[0, 0] == pytest.approx(cosine, abs=1e-3)
