"""Each family's layout with numbers whose boxes are known."""

import numpy as np
import pytest

from dccausal.targets.decoders.choose import find_decoder
from dccausal.targets.decoders.facts import Facts
from dccausal.targets.decoders.yolo import masks_of

SIZE = (100, 200)  # height, width
# Two boxes in pixels, with score and label.
TRUTH = np.array([[20, 10, 60, 50, 0.9, 2], [120, 40, 180, 90, 0.6, 0]], np.float32)
CENTRES = np.array([[40, 30, 40, 40], [150, 65, 60, 50]], np.float32)
SHARES = CENTRES / np.array([200, 100, 200, 100], np.float32)
CORNERS = TRUTH[:, :4] / np.array([200, 100, 200, 100], np.float32)
N = 20  # places


def logit(p):
    return np.log(p / (1 - p))


def scores(low=0.01, labels=3, n=N):
    table = np.full((n, labels), low, np.float32)
    table[4, 2], table[11, 0] = 0.9, 0.6
    return table


def placed(values, filler):
    table = np.tile(np.asarray(filler, np.float32), (N, 1))
    table[[4, 11]] = values
    return table


def columns(labels=3, more=0):
    extra = np.zeros((N, more), np.float32)
    return np.concatenate([placed(CENTRES, [5, 5, 2, 2]), scores(labels=labels), extra], axis=1).T[None]


def rows_of_v5():
    there = np.full((N, 1), 0.02, np.float32)
    there[[4, 11]] = 0.95
    return np.concatenate([placed(CENTRES, [5, 5, 2, 2]), there, scores() / there.clip(0.95)], axis=1)[None]


def six(order, fill=3, first=0):
    table = np.zeros((len(TRUTH) + fill, 6), np.float32)
    table[: len(TRUTH)] = TRUTH
    table[: len(TRUTH), 5] += first
    return table[:, order][None]


def seven(order):
    return np.concatenate([np.zeros((2, 1), np.float32), TRUTH], axis=1)[:, order]


def rows_of_rtdetr(fill=5):
    table = np.tile(np.array([0.5, 0.5, 0.1, 0.1, 0.01, 1], np.float32), (len(SHARES) + fill, 1))
    table[: len(SHARES)] = np.concatenate([SHARES, TRUTH[:, 4:]], axis=1)
    return table[None]


def rows_of_yolox(strides=(8, 16, 32)):
    """Offsets in the cells of grids and logarithms of sides, as YOLOX gives them: the inverse of its own decoding."""
    cells = [(s, x, y) for s in strides for y in range(SIZE[0] // s) for x in range(SIZE[1] // s)]
    table = np.zeros((len(cells), 8), np.float32)
    table[:, 2:4], table[:, 4:] = -1, 0.02
    for (stride, x, y), (cx, cy, w, h), label, score in (
        ((32, 1, 0), CENTRES[0], 2, 0.9),
        ((16, 9, 4), CENTRES[1], 0, 0.6),
    ):
        row = cells.index((stride, x, y))
        table[row, :4] = cx / stride - x, cy / stride - y, np.log(w / stride), np.log(h / stride)
        table[row, 4], table[row, 5 + label] = 0.95, score / 0.95
    return table[None]


def softmaxed(nothing):
    table = np.full((N, 4), 1e-4, np.float32)
    at = [i for i in range(4) if i != nothing]
    table[:, at] = scores()
    table[:, nothing] = 1 - table[:, at].sum(axis=1)
    return table


ULTRALYTICS = {"task": "detect", "stride": "32", "names": "{0: 'a', 1: 'b', 2: 'c'}"}
NMS = {**ULTRALYTICS, "args": "{'nms': True}"}
LISTED = {"boxes": TRUTH[:, :4], "scores": TRUTH[:, 4], "labels": TRUTH[:, 5].astype(np.int64)}
FAMILIES = {
    "Ultralytics": ({"output0": columns()}, ULTRALYTICS, 3),
    "Ultralytics without metadata": ({"output0": columns()}, {}, None),
    "Ultralytics pose": ({"output0": columns(more=6)}, {**ULTRALYTICS, "task": "pose"}, 3),
    "Ultralytics end to end": ({"output0": six(range(6))}, {**ULTRALYTICS, "end2end": "True"}, 3),
    "Ultralytics with NMS": ({"output0": six(range(6))}, NMS, 3),
    "YOLOv10": ({"output0": six(range(6))}, {}, None),
    "YOLOv5": ({"output0": rows_of_v5()}, {}, None),
    "YOLOX": ({"output": rows_of_yolox()}, {}, None),
    "YOLOX for large images": ({"output": rows_of_yolox((8, 16, 32, 64))}, {}, 3),
    "Ultralytics RT-DETR": (
        {"output0": np.concatenate([placed(SHARES, [0.5, 0.5, 0.1, 0.1]), scores()], axis=1)[None]},
        ULTRALYTICS,
        3,
    ),
    "Ultralytics RT-DETR without metadata": (
        {"output0": np.concatenate([placed(SHARES, [0.5, 0.5, 0.1, 0.1]), scores()], axis=1)[None]},
        {},
        None,
    ),
    "YOLO-NAS, flat": ({"graph2_flat_predictions": seven(range(7))}, {}, None),
    "MMDetection": (
        {"dets": TRUTH[None, :, :5], "labels": TRUTH[None, :, 5].astype(np.int64)},
        {},
        3,
    ),
    "YOLOv7 with NMS": ({"output": seven([0, 1, 2, 3, 4, 6, 5])}, {}, None),
    "PaddleDetection": ({"out": six([5, 4, 0, 1, 2, 3], fill=0)[0], "num": np.array([2])}, {}, None),
    "OpenVINO": (
        {"out": (seven([0, 6, 5, 1, 2, 3, 4]) / [1, 1, 1, 200, 100, 200, 100])[None, None]},
        {},
        None,
    ),
    "torchvision": (LISTED, {}, None),
    "TensorFlow": (
        {
            "detection_boxes:0": CORNERS[None][..., [1, 0, 3, 2]],
            "detection_classes:0": TRUTH[None, :, 5] + 1,
            "detection_scores:0": TRUTH[None, :, 4],
            "num_detections:0": np.array([2.0], np.float32),
        },
        {},
        None,
    ),
    "TensorRT": (
        {
            "num_dets": np.array([[2]], np.int32),
            "det_boxes": np.concatenate([TRUTH[None, :, :4], np.full((1, 3, 4), 99, np.float32)], axis=1),
            "det_scores": np.array([[0.9, 0.6, 0.9, 0.9, 0.9]], np.float32),
            "det_classes": np.array([[2, 0, 1, 1, 1]], np.int32),
        },
        {},
        None,
    ),
    "DETR": (
        {
            "logits": np.log(softmaxed(3))[None],
            "pred_boxes": placed(SHARES, [0.5, 0.5, 0.1, 0.1])[None],
        },
        {},
        3,
    ),
    "RT-DETR": (
        {"logits": logit(scores())[None], "pred_boxes": placed(SHARES, [0.5, 0.5, 0.1, 0.1])[None]},
        {},
        3,
    ),
    "SSD": ({"scores": softmaxed(0)[None], "boxes": placed(CORNERS, [0, 0, 0.1, 0.1])[None]}, {}, 3),
    "Ultralytics RT-DETR, selected by the model": (
        {"output0": rows_of_rtdetr()},
        {**ULTRALYTICS, "end2end": "False", "head": "RTDETRDecoder"},
        3,
    ),
    "Ultralytics RT-DETR, selected, without metadata": ({"output0": rows_of_rtdetr()}, {}, None),
    "EfficientDet of TensorFlow": (
        {
            "detections:0": np.concatenate([seven([0, 2, 1, 4, 3, 5, 6]) + np.eye(7)[6], np.zeros((3, 7))])[
                None
            ]
        },
        {},
        None,
    ),
    "TensorFlow with all that it lists": (
        {
            "detection_anchor_indices": np.array([[31.0, 7.0]], np.float32),
            "detection_boxes": CORNERS[None][..., [1, 0, 3, 2]],
            "detection_classes": TRUTH[None, :, 5] + 1,
            "detection_multiclass_scores": np.zeros((1, 2, 91), np.float32),
            "detection_scores": TRUTH[None, :, 4],
            "num_detections": np.array([2.0], np.float32),
            "raw_detection_boxes": np.zeros((1, 9, 4), np.float32),
            "raw_detection_scores": np.zeros((1, 9, 91), np.float32),
        },
        {},
        None,
    ),
    "YOLOv4 of PyTorch": (
        {"boxes": placed(CORNERS, [0, 0, 0.1, 0.1])[None, :, None], "confs": scores()[None]},
        {},
        None,
    ),
    "RF-DETR": (
        {"dets": placed(SHARES, [0.5, 0.5, 0.1, 0.1])[None], "labels": logit(scores(labels=4))[None]},
        {},
        3,
    ),
    "PaddleDetection without its NMS": (
        {"concat_12.tmp_0": scores().T[None], "tmp_20": placed(TRUTH[:, :4], [0, 0, 9, 9])[None]},
        {},
        3,
    ),
    "boxes, scores and labels before any are selected": (
        {
            "boxes": np.repeat(TRUTH[None, :, :4], 600, axis=1),
            "scores": np.repeat(TRUTH[None, :, 4], 600, axis=1),
            "class_idx": np.repeat(TRUTH[None, :, 5].astype(np.int64), 600, axis=1),
        },
        {},
        3,
    ),
    "YOLOv5 with its heads beside": (
        {
            "output": rows_of_v5(),
            **{str(side): np.zeros((1, 3, side, 2 * side, 8), np.float32) for side in (12, 6, 3)},
        },
        {},
        None,
    ),
    "YOLO-NAS": (
        {"pred_bboxes": placed(TRUTH[:, :4], [0, 0, 9, 9])[None], "pred_scores": scores()[None]},
        {},
        None,
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_boxes_are_those_that_were_written(family):
    outputs, metadata, n_names = FAMILIES[family]
    outputs = {name: np.asarray(value, value.dtype if value.dtype.kind != "f" else np.float32)
               for name, value in outputs.items()}  # fmt: skip
    decoder = find_decoder(Facts(outputs, SIZE, metadata, n_names=n_names))
    assert decoder is not None
    answer = decoder.decode(outputs, 1, SIZE)
    assert answer.detections() == pytest.approx(TRUTH, abs=2e-3)


def test_rows_of_nothing_are_read_by_their_name():
    outputs = {"flat_predictions": seven(range(7))[:0].astype(np.float32)}
    assert find_decoder(Facts(outputs, SIZE)).score == 5
    assert find_decoder(Facts({"output": outputs["flat_predictions"]}, SIZE)).score == 6


def test_a_threshold_and_an_overlap_are_followed():
    outputs = {"output0": columns()}
    few = find_decoder(Facts(outputs, SIZE, ULTRALYTICS, n_names=3, threshold=0.7))
    assert len(few.decode(outputs, 1, SIZE).detections()) == 1
    doubled = columns()
    doubled[0, :, 12] = doubled[0, :, 11] * [1.02, 1, 1, 1, 0.9, 0.9, 0.9]
    for overlap, n in ((0.7, 2), (0.99, 3)):
        decoder = find_decoder(Facts({"output0": doubled}, SIZE, ULTRALYTICS, n_names=3, overlap=overlap))
        assert len(decoder.decode({"output0": doubled}, 1, SIZE).detections()) == n


def test_a_label_of_six_is_told_from_the_sixth_coefficient():
    outputs = {"output0": columns(more=32), "output1": np.zeros((1, 32, 25, 50), np.float32)}
    outputs["output0"][0, 7, 4] = 1.0  # the first coefficient of the first box
    outputs["output1"][0, 0, :, :25] = 1.0
    outputs["output1"][0, 0, :, 25:] = -1.0
    decoder = find_decoder(Facts(outputs, SIZE, {**ULTRALYTICS, "task": "segment"}, n_names=3))
    answer = decoder.decode(outputs, 1, SIZE)
    found, which = answer.selected()
    assert found[:, :5] == pytest.approx(TRUTH[:, :5], abs=1e-3)
    masks = masks_of(answer, which, SIZE)
    assert masks[0].sum() == 40 * 40  # all of its box, which lies left of the middle
    assert not masks[1].any()


def noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def test_lists_that_began_empty_are_read_by_what_they_hold_later():
    nothing = {
        "boxes": np.zeros((0, 4), np.float32),
        "scores": np.zeros(0, np.float32),
        "labels": np.zeros(0, int),
    }
    decoder = find_decoder(Facts(nothing, SIZE))
    for boxes in (TRUTH[:, :4], CORNERS):
        assert decoder.decode({**LISTED, "boxes": boxes}, 1, SIZE).detections() == pytest.approx(
            TRUTH, abs=1e-3
        )


def test_conditional_detr_looks_at_its_best_hundred_pairs():
    table = logit(np.full((N, 3), 0.9, np.float32))
    outputs = {"logits": table[None], "pred_boxes": placed(SHARES, [0.5, 0.5, 0.1, 0.1])[None]}
    for kind, n in (("conditional_detr", 3 * N), ("rt_detr", N)):
        decoder = find_decoder(Facts(outputs, SIZE, config={"model_type": kind}, n_names=3))
        assert len(decoder.decode(outputs, 1, SIZE).detections()) == n


def test_of_prompts_the_best_one_of_each_box_counts():
    table = logit(np.full((N, 3), 0.9, np.float32))
    table[:, 1] += 1
    outputs = {"logits": table[None], "pred_boxes": placed(SHARES, [0.5, 0.5, 0.1, 0.1])[None]}
    for more, config in (({"text_embeds": noise(1, 3, 8)}, {}), ({}, {"model_type": "owlvit"})):
        decoder = find_decoder(Facts({**outputs, **more}, SIZE, config=config))
        found = decoder.decode(outputs, 1, SIZE).detections()
        assert len(found) == N
        assert (found[:, 5] == 1).all()


@pytest.mark.parametrize("boxes", [False, True])
def test_masks_of_queries_are_maps(boxes):
    classes = np.full((1, 2, 4), -9, np.float32)
    classes[0, 0, 2] = classes[0, 1, 0] = 9
    masks = np.full((1, 2, 25, 50), -9, np.float32)
    masks[0, 0, :, :20] = masks[0, 1, :, 20:] = 9
    outputs = {"logits": classes, "pred_masks": masks}
    if boxes:
        outputs["pred_boxes"] = np.full((1, 2, 4), 0.3, np.float32)
    decoder = find_decoder(Facts(outputs, SIZE, n_names=3), "maps")
    labels = decoder.decode(outputs, 1, SIZE).labels()
    assert (labels[:, :20] == 2).all()
    assert (labels[:, 20:] == 0).all()
    assert find_decoder(Facts(outputs, SIZE, n_names=3)).gives == ("boxes" if boxes else "maps")
