"""The measures of boxes, and D-RISE beside the causal search."""

import numpy as np
import pytest

from dccausal import OnnxModel, OptionError, explain
from dccausal.methods import explain_with
from dccausal.metrics import deletion_curve, energy_pointing_game, insertion_curve, pointing_game
from dccausal.targets import Box, Request
from dccausal.targets.frame import Frame
from planted_detector import detector, scene

SQUARES = [(0, 0, 12), (2, 60, 48)]
PHOTO = scene(SQUARES)


@pytest.fixture(scope="module")
def model():
    return OnnxModel(detector(), preprocess="unit", device="cpu", threads=1)


def inside():
    mask = np.zeros((96, 96), bool)
    mask[48:84, 60:96] = True
    return mask


def test_d_rise_is_rise_weighted_by_the_best_overlap_times_score(model):
    box = Box((60, 48, 96, 84))
    found = explain_with("d-rise", PHOTO, model, target=box, masks=400, seed=3)
    same = explain_with("rise", PHOTO, model, target=box, masks=400, cells=16, seed=3)
    assert found.heatmap == pytest.approx(same.heatmap, abs=1e-6)
    assert found.provenance["method_options"] == {"masks": 400, "cells": 16, "probability": 0.5}
    assert pointing_game(found.heatmap, inside()) == 1


def test_curves_of_a_box_end_where_it_is_seen_and_where_it_is_not(model):
    own = explain(PHOTO, model, target=Box((60, 48, 96, 84)))
    frame = Frame(own.placement.photo_size, own.placement.box, (96, 96))
    target = Box((60, 48, 96, 84)).choose(model(own.image[None]), Request(frame))
    insertion = insertion_curve(model, own.image, own.baseline, own.ranking(), target, steps=20)
    deletion = deletion_curve(model, own.image, own.baseline, own.ranking(), target, steps=20)
    assert insertion.scores[[0, -1]] == pytest.approx([0, target.score], abs=1e-3)
    assert deletion.scores[[0, -1]] == pytest.approx([target.score, 0], abs=1e-3)
    assert insertion.is_top[-1]
    assert not insertion.is_top[0]
    assert insertion.auc > 0.7 * target.score
    assert deletion.auc < 0.3 * target.score
    rival = explain_with("random", PHOTO, model, target=Box((60, 48, 96, 84)), seed=0)
    worse = insertion_curve(model, own.image, own.baseline, rival.ranking(), target, steps=20)
    assert worse.auc < insertion.auc


def test_the_energy_in_a_box_is_its_share_of_the_heat():
    heat = np.zeros((96, 96))
    heat[48:84, 60:96], heat[0, :48] = 1.0, 27.0
    assert energy_pointing_game(heat, inside()) == pytest.approx(0.5)
    assert energy_pointing_game(np.zeros((96, 96)), inside()) == 0
    with pytest.raises(OptionError, match="the same shape and no negative heat"):
        energy_pointing_game(-heat, inside())
