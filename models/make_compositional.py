"""Fit a compositional network and an ordinary one on scikit-learn's digits, and write both as ONNX classifiers.

Run ``python models/make_compositional.py FOLDER``. Needs scikit-learn and the package onnx. Nothing is fitted by
gradients, and the same seed gives the same files.

Both networks see the same: an RGB picture of 96 x 96, made three times smaller by a mean, and cut into overlapping
patches by one convolution whose filters are the patches' principal components. Both have kernels for these features
(spherical k-means) and a table of weights for what kernel is where, and they have the same number of weights.

The ordinary one is Conv, ReLU, Conv, ReLU and a dense layer (ridge regression). The compositional one follows
Kortylewski 2020: features of length 1; kernels on the sphere that answer with exp(kappa (cos - 1)); for each class some
mixtures of poses, each a table of which kernel is how likely at which place; at each place the larger of what the class
and what an occluder makes of it; sums over places, the best mixture, and a softmax of temperature 2.

Written are ``compositional.onnx``, ``ordinary.onnx``, ``digits/`` (pictures, with and without a planted occluder),
``occlusions.csv`` (where they lie) and ``accuracy.json``.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

SIDE, SMALLER = 96, 3  # of a picture; what is convolved is so many times smaller
PATCH, STRIDE, FILTERS = 8, 2, 24
KERNELS, KAPPA, MIXTURES = 96, 12.0, 4
OCCLUDED, TEMPERATURE = 0.5, 2.0  # prior of a place to be occluded; of the softmax
STRONG = 0.35  # length of a feature below which a patch shows nothing
OFFSET, RIDGE = 0.3, 1e-3  # of the ordinary network: what a ReLU takes away; of the regression
N_CLASSES, N_TRAIN, N_WRITTEN = 10, 1297, 100
OCCLUDER = 42  # pixels a side


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return the 1,797 digits as grey pictures (n, SIDE, SIDE) of 0 to 1, and their labels."""
    from sklearn.datasets import load_digits

    data = load_digits()
    pictures = [
        Image.fromarray((d * 255 / 16).astype(np.uint8)).resize((SIDE, SIDE), Image.BICUBIC)
        for d in data.images
    ]
    order = np.random.default_rng(0).permutation(len(pictures))
    return np.stack([np.asarray(p) for p in pictures])[order] / 255.0, data.target[order]


def occlude(pictures: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Plant a square of coarse noise into each picture; return them, and (top, left) of the squares."""
    random = np.random.default_rng(seed)
    coarse = OCCLUDER // SMALLER
    places = random.integers(0, SIDE // SMALLER - coarse + 1, (len(pictures), 2)) * SMALLER
    found = pictures.copy()
    for picture, (top, left) in zip(found, places, strict=True):
        noise = random.random((coarse, coarse)).repeat(SMALLER, axis=0).repeat(SMALLER, axis=1)
        picture[top : top + OCCLUDER, left : left + OCCLUDER] = noise
    return found, places


def smaller(pictures: np.ndarray) -> np.ndarray:
    """Means over squares of SMALLER pixels a side."""
    n = SIDE // SMALLER
    return pictures.reshape(-1, n, SMALLER, n, SMALLER).mean(axis=(2, 4))


def patches(pictures: np.ndarray) -> np.ndarray:
    """Patches (n, rows, columns, PATCH * PATCH), without their mean."""
    windows = np.lib.stride_tricks.sliding_window_view(pictures, (PATCH, PATCH), axis=(1, 2))[
        :, ::STRIDE, ::STRIDE
    ]
    flat = windows.reshape(*windows.shape[:3], -1)
    return flat - flat.mean(axis=-1, keepdims=True)


def principal(flat: np.ndarray) -> np.ndarray:
    """Return filters (FILTERS, PATCH * PATCH): directions in which patches differ most."""
    vectors = np.linalg.eigh(flat.T @ flat)[1][:, ::-1][:, :FILTERS].T
    return vectors - vectors.mean(axis=1, keepdims=True)


def unit(x: np.ndarray) -> np.ndarray:
    """Bring vectors to length 1."""
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-6)


def spherical_kmeans(x: np.ndarray, k: int, random: np.random.Generator, rounds: int = 25) -> np.ndarray:
    """Centres (k, d) of length 1 of unit vectors."""
    centres = x[random.choice(len(x), k, replace=False)]
    for _ in range(rounds):
        nearest = (x @ centres.T).argmax(axis=1)
        sums = np.stack([np.bincount(nearest, x[:, d], k) for d in range(x.shape[1])], axis=1)
        empty = np.linalg.norm(sums, axis=1) < 1e-6
        sums[empty] = x[random.choice(len(x), int(empty.sum()))]
        centres = unit(sums)
    return centres


class Compositional:
    """Tables of which kernel is how likely at which place, for each class and mixture."""

    def __init__(self, features: np.ndarray, labels: np.ndarray) -> None:
        """Find kernels, mixtures, their tables, and what an occluder looks like."""
        random = np.random.default_rng(1)
        flat = features.reshape(-1, features.shape[-1])
        strong = flat[np.linalg.norm(flat, axis=1) > STRONG]
        self.kernels = spherical_kmeans(unit(strong), KERNELS, random)
        answers = self.answers(features)
        self.tables = np.stack([self._mixtures(answers[labels == c], random) for c in range(N_CLASSES)])
        clutter = answers.reshape(-1, KERNELS + 1).mean(axis=0)
        self.clutter = clutter / clutter.sum()

    def answers(self, features: np.ndarray) -> np.ndarray:
        """(n, rows, columns, KERNELS + 1): how strongly each kernel answers, the last that there is nothing."""
        norm = np.linalg.norm(features, axis=-1, keepdims=True)
        cos = unit(features) @ self.kernels.T
        seen = np.exp(KAPPA * (cos - 1)) * (norm > STRONG)
        return np.concatenate([seen, np.where(norm > STRONG, 0.0, 1.0)], axis=-1)

    def _mixtures(self, answers: np.ndarray, random: np.random.Generator) -> np.ndarray:
        flat = unit(answers.reshape(len(answers), -1))
        nearest = (flat @ spherical_kmeans(flat, MIXTURES, random).T).argmax(axis=1)
        found = []
        for m in range(MIXTURES):
            chosen = answers[nearest == m] if (nearest == m).any() else answers
            table = chosen.mean(axis=0) + 0.02
            found.append(table / table.sum(axis=-1, keepdims=True))
        return np.stack(found)


def make_model(nodes: list, constants: dict[str, np.ndarray], name: str) -> onnx.ModelProto:
    """Return a checked classifier of the pictures."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        name,
        [value("image", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
        [value("scores", TensorProto.FLOAT, ["batch", N_CLASSES])],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    fed = '{"geometry": "squash", "scale": 0.00392156862745098, "mean": 0, "std": 1}'
    helper.set_model_props(model, {"preprocess": fed})
    onnx.checker.check_model(model)
    return model


def front(filters: np.ndarray) -> tuple[list, dict[str, np.ndarray]]:
    """Return both networks' first layers: the mean of the pixels, and filters over the mean of the three channels."""
    shaped = np.repeat(filters.reshape(-1, 1, PATCH, PATCH), 3, axis=1) / 3
    n, square = helper.make_node, [SMALLER, SMALLER]
    nodes = [
        n("AveragePool", ["image"], ["smaller"], "smaller", kernel_shape=square, strides=square),
        n("Conv", ["smaller", "filters"], ["features"], "features", strides=[STRIDE, STRIDE]),
    ]
    return nodes, {"filters": shaped.astype(np.float32)}


class Ordinary:
    """Conv, ReLU, Conv, ReLU, and a dense layer."""

    def __init__(self, features: np.ndarray, labels: np.ndarray, n_kernels: int) -> None:
        """Find kernels, and the dense layer by ridge regression on the classes."""
        seen = self.rectified(features)
        flat = seen.reshape(-1, seen.shape[-1])
        strong = flat[np.linalg.norm(flat, axis=1) > STRONG]
        self.kernels = spherical_kmeans(unit(strong), n_kernels, np.random.default_rng(1), rounds=8)
        x = self.answers(features)
        mean = x.mean(axis=0)
        x -= mean
        wanted = np.eye(N_CLASSES)[labels] * 20 - 2
        gram = (x @ x.T).astype(np.float64)  # there are more weights than pictures
        ridge = RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
        self.weights = (x.T @ np.linalg.solve(gram + ridge, wanted - wanted.mean(axis=0))).T
        self.bias = wanted.mean(axis=0) - self.weights @ mean

    @staticmethod
    def rectified(features: np.ndarray) -> np.ndarray:
        """(n, rows, columns, 2 FILTERS): features of both signs, as far as they are strong."""
        return np.maximum(np.concatenate([features, -features], axis=-1) - OFFSET, 0)

    def answers(self, features: np.ndarray) -> np.ndarray:
        """(n, kernels * rows * columns) float32: what the dense layer sees."""
        seen = self.rectified(features).astype(np.float32)
        found = np.maximum(seen @ self.kernels.T.astype(np.float32) - np.float32(OFFSET), 0)
        return found.transpose(0, 3, 1, 2).reshape(len(features), -1)

    def model(self, filters: np.ndarray) -> onnx.ModelProto:
        """Return it as ONNX."""
        nodes, constants = front(np.concatenate([filters, -filters]))
        n = helper.make_node
        nodes[-1].input.append("threshold")
        nodes += [
            n("Relu", ["features"], ["rectified"], "rectified"),
            n("Conv", ["rectified", "kernels", "kernel_threshold"], ["answers"], "kernels"),
            n("Relu", ["answers"], ["seen"], "seen"),
            n("Flatten", ["seen"], ["flat"], "flat"),
            n("Gemm", ["flat", "weights", "bias"], ["class_logits"], "head", transB=1),
            n("Softmax", ["class_logits"], ["scores"], "softmax", axis=1),
        ]
        n_kernels = len(self.kernels)
        constants |= {
            "threshold": np.full(2 * FILTERS, -OFFSET, np.float32),
            "kernels": self.kernels.reshape(n_kernels, 2 * FILTERS, 1, 1).astype(np.float32),
            "kernel_threshold": np.full(n_kernels, -OFFSET, np.float32),
            "weights": self.weights.astype(np.float32),
            "bias": self.bias.astype(np.float32),
        }
        return make_model(nodes, constants, "ordinary")


def kernels_for(n_weights: int, places: int) -> int:
    """Return the number of kernels that gives the ordinary network as many weights, as nearly as can be."""
    first = 2 * FILTERS * (3 * PATCH * PATCH + 1) + N_CLASSES
    return round((n_weights - first) / (2 * FILTERS + 1 + places * N_CLASSES))


def compositional_model(filters: np.ndarray, net: Compositional) -> onnx.ModelProto:
    """Return the network of tables; a mixture's likelihood at a place is one product of the answers with its table."""
    nodes, constants = front(filters)
    n = helper.make_node
    rows = net.tables.shape[2]
    tables = net.tables.reshape(N_CLASSES * MIXTURES, rows * rows, KERNELS + 1).transpose(1, 2, 0)
    nodes += [
        n("Mul", ["features", "features"], ["squares"], "squares"),
        n("ReduceSum", ["squares", "one"], ["square"], "square", keepdims=1),
        n("Greater", ["square", "strong"], ["is_strong"], "is_strong"),
        n("LpNormalization", ["features"], ["directions"], "directions", axis=1, p=2),
        n("Conv", ["directions", "kernels"], ["cosines"], "kernels"),
        n("Sub", ["cosines", "unit"], ["below"], "below"),
        n("Mul", ["below", "kappa"], ["steep"], "steep"),
        n("Exp", ["steep"], ["likely"], "likely"),
        n("Where", ["is_strong", "likely", "zero"], ["seen"], "seen"),
        n("Where", ["is_strong", "zero", "unit"], ["nothing"], "nothing"),
        n("Concat", ["seen", "nothing"], ["answers"], "answers", axis=1),
        n("Reshape", ["answers", "places"], ["by_kernel"], "by_kernel"),
        n("Transpose", ["by_kernel"], ["by_place"], "by_place", perm=[2, 0, 1]),
        n("MatMul", ["by_place", "tables"], ["object_likelihood"], "tables"),
        n("MatMul", ["by_place", "clutter"], ["occluder_likelihood"], "clutter"),
        n("Add", ["object_likelihood", "tiny"], ["object_safe"], "object_safe"),
        n("Add", ["occluder_likelihood", "tiny"], ["occluder_safe"], "occluder_safe"),
        n("Log", ["object_safe"], ["object_log"], "object_log"),
        n("Log", ["occluder_safe"], ["occluder_log"], "occluder_log"),
        n("Add", ["object_log", "log_seen"], ["object_score"], "object_score"),
        n("Add", ["occluder_log", "log_occluded"], ["occluder_score"], "occluder_score"),
        n("Max", ["object_score", "occluder_score"], ["place_score"], "explain_each_place"),
        n("ReduceSum", ["place_score", "first"], ["mixture_score"], "mixture_score", keepdims=0),
        n("Reshape", ["mixture_score", "mixtures"], ["by_mixture"], "by_mixture"),
        n("ReduceMax", ["by_mixture"], ["class_score"], "best_mixture", axes=[2], keepdims=0),
        n("Mul", ["class_score", "cooled"], ["class_logits"], "temperature"),
        n("Softmax", ["class_logits"], ["scores"], "softmax", axis=1),
    ]
    constants |= {
        "one": np.array([1]),
        "first": np.array([0]),
        "strong": np.float32(STRONG**2),
        "kernels": net.kernels.reshape(KERNELS, FILTERS, 1, 1).astype(np.float32),
        "unit": np.float32(1),
        "zero": np.float32(0),
        "kappa": np.float32(KAPPA),
        "places": np.array([0, KERNELS + 1, rows * rows]),
        "tables": tables.astype(np.float32),
        "clutter": net.clutter.reshape(KERNELS + 1, 1).astype(np.float32),
        "tiny": np.float32(1e-6),
        "log_seen": np.float32(np.log(1 - OCCLUDED)),
        "log_occluded": np.float32(np.log(OCCLUDED)),
        "mixtures": np.array([0, N_CLASSES, MIXTURES]),
        "cooled": np.float32(1 / TEMPERATURE),
    }
    return make_model(nodes, constants, "compositional")


def n_weights(model: onnx.ModelProto) -> int:
    """Return the number of a model's weights, thresholds and other numbers that float."""
    tensors = model.graph.initializer
    return int(sum(np.prod(t.dims) for t in tensors if t.data_type == TensorProto.FLOAT))


def accuracy(model: onnx.ModelProto, pictures: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of pictures whose best class is their label."""
    import onnxruntime as ort

    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    images = np.repeat(pictures[:, None], 3, axis=1).astype(np.float32)
    return float((session.run(None, {"image": images})[0].argmax(axis=1) == labels).mean())


def write_pictures(
    folder: Path, pictures: np.ndarray, covered: np.ndarray, places: np.ndarray, labels: np.ndarray
) -> None:
    """Write some pictures, clear and occluded, and where the occluders lie."""
    (folder / "digits").mkdir(parents=True, exist_ok=True)
    with (folder / "occlusions.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "label", "name", "shape", "top", "left", "bottom", "right", "share", "mask"])
        for index in range(N_WRITTEN):
            for kind, shown in (("clear", pictures), ("occluded", covered)):
                rgb = np.repeat(np.rint(shown[index] * 255).astype(np.uint8)[..., None], 3, axis=-1)
                Image.fromarray(rgb).save(folder / "digits" / f"{index:03}-{kind}.png")
            top, left = (int(n) for n in places[index])
            box = [top, left, top + OCCLUDER - 1, left + OCCLUDER - 1]
            share = round(OCCLUDER**2 / SIDE**2, 6)
            writer.writerow(
                [f"{index:03}-occluded.png", labels[index], labels[index], "rectangle", *box, share, ""]
            )


def main() -> None:
    """Fit both, and write them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    pictures, labels = digits()
    train, test = slice(N_TRAIN), slice(N_TRAIN, None)
    cut = patches(smaller(pictures))
    filters = principal(cut[train].reshape(-1, PATCH * PATCH))
    features = cut @ filters.T
    compositional = compositional_model(filters, Compositional(features[train], labels[train]))
    n_kernels = kernels_for(n_weights(compositional), features.shape[1] * features.shape[2])
    ordinary = Ordinary(features[train], labels[train], n_kernels).model(filters)
    models = {"ordinary": ordinary, "compositional": compositional}
    covered, places = occlude(pictures[test], 2)
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, model in models.items():
        onnx.save(model, folder / f"{name}.onnx")
        found[name] = {
            "clear": accuracy(model, pictures[test], labels[test]),
            "occluded": accuracy(model, covered, labels[test]),
            "weights": n_weights(model),
        }
        print(name, found[name])
    write_pictures(folder, pictures[test], covered, places, labels[test])
    (folder / "accuracy.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
