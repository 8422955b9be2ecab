"""Similarity to an image, and to one of several prompts."""

import numpy as np
import pytest

from dccausal import ClassifierError, OptionError, explain
from dccausal.targets import Similarity
from planted_detector import scene


def embed(images):
    """How much of each colour there is beyond the others, and a constant: (n, 4)."""
    means = images.reshape(len(images), -1, 3).mean(axis=1) / 255
    excess = means - means.mean(axis=1, keepdims=True)
    return np.concatenate([excess, np.full((len(images), 1), 0.01)], axis=1).astype(np.float32)


def inside(left, top):
    mask = np.zeros((96, 96), bool)
    mask[top : top + 36, left : left + 36] = True
    return mask


PHOTO = scene([(0, 0, 12), (2, 60, 48)])
RED, BLUE = inside(0, 12), inside(60, 48)


def test_what_makes_a_photograph_like_another():
    reference = scene([(2, 24, 24)], seed=1)
    explanation = explain(PHOTO, embed, target=Similarity([reference], names=["the blue one"]))
    assert explanation.title == "like the blue one"
    assert (explanation.kept & BLUE).sum() > 0.9 * explanation.kept.sum()
    own, other = embed(PHOTO[None])[0], embed(reference[None])[0]
    cosine = own @ other / np.linalg.norm(own) / np.linalg.norm(other)
    assert explanation.score == pytest.approx(cosine, abs=1e-5)


def test_the_nearest_of_several_prompts():
    prompts = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], np.float32)
    photo = scene([(0, 0, 12), (0, 60, 0), (2, 60, 48)])
    names = ["a red square", "a green square", "a blue square"]
    nearest = explain(photo, embed, target=Similarity(prompts, names=names, scale=8))
    assert nearest.title == "a red square (0)"
    cosines = embed(photo[None])[0] @ prompts.T / np.linalg.norm(embed(photo[None])[0])
    assert nearest.score == pytest.approx(np.exp(8 * cosines[0]) / np.exp(8 * cosines).sum(), abs=1e-5)
    second = explain(photo, embed, target=Similarity(prompts, "a blue square", names, scale=8))
    assert second.label == 2
    assert (second.kept & BLUE).sum() > 0.8 * second.kept.sum()
    each = Similarity(prompts, names=names, scale=8, bias=-2.0)
    assert explain(photo, embed, target=each).score == pytest.approx(
        1 / (1 + np.exp(-(8 * cosines[0] - 2))), abs=1e-5
    )


def test_a_projection_brings_the_embedding_into_the_space_of_the_prompts():
    matrix = np.eye(4, dtype=np.float32)[[2, 0, 1]]
    prompts = np.eye(3, dtype=np.float32)
    told = Similarity(prompts, projection=matrix, scale=8)
    assert told.read(embed(PHOTO[None]), 1)[0].tolist() == pytest.approx(
        Similarity(np.eye(4, dtype=np.float32)[[2, 0, 1]], scale=8).read(
            embed(PHOTO[None]) * [1, 1, 1, 0], 1
        )[0],
        abs=1e-4,
    )


def test_bad_references_get_one_line():
    with pytest.raises(OptionError, match="has 4 numbers, the references have 3"):
        explain(PHOTO, embed, target=Similarity(np.eye(3, dtype=np.float32)))
    with pytest.raises(OptionError, match="no more than an image with everything masked"):
        explain(PHOTO, embed, target=Similarity(np.array([[0, 0, 0, 1]], np.float32)))
    with pytest.raises(OptionError, match="is not a label"):
        explain(PHOTO, embed, target=Similarity(np.eye(4, dtype=np.float32), "pink", ["a", "b", "c", "d"]))
    with pytest.raises(OptionError, match="2 names for 4 references"):
        Similarity(np.eye(4, dtype=np.float32), names=["a", "b"])
    with pytest.raises(OptionError, match="finite and not 0"):
        Similarity(np.zeros((2, 4), np.float32))
    with pytest.raises(ClassifierError, match=r"finite embeddings \(2, length\)"):
        explain(PHOTO, lambda images: np.zeros(len(images)), target=Similarity(np.eye(4, dtype=np.float32)))
