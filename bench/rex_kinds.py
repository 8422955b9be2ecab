"""
Several and contrastive explanations of ReX (``rex-xai`` 0.4.1) beside those of dccausal, on the same photographs.

ReX lives in an environment of its own, see ``bench/rex.py``. Both sides are run one after the other::

    rexvenv/bin/python bench/rex_kinds.py --side rex --model model.onnx --mean 0.498 --std 0.502 \
        --images photographs/ --out rex-kinds/ --seconds 1500
    python bench/rex_kinds.py --side dccausal --model model.onnx --mean 0.498 --std 0.502 \
        --images photographs/ --out rex-kinds/

ReX searches once a photograph; its spotlights and its contrastive explanation are then made of the same map, and the
calls of each have those of the search in them. It has its own defaults: 20 iterations, 10 spotlights. Where a spotlight
finds nothing ReX keeps what it saw last, without a confidence; so only sets that give the label alone count. Of those
among the first 3, and among all 10, the largest number that shares no pixel is taken. dccausal is asked for
``--kind several --n 3`` with the label alone (``min_confidence=0``), as ReX is, and with half of the score, its own
default.
ReX's contrastive set has to bring the whole score back, so dccausal is asked for that too.

The second side checks every set on grey, alone and masked, and writes the record: a row a photograph and question.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
SPOTLIGHTS = (3, 10)
COLUMNS = ("file", "method", "kind", "floor", "asked", "found", "sizes", "sufficient", "contrastive", "calls")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", choices=("rex", "dccausal"), required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True, help="a folder")
    parser.add_argument("--out", type=Path, required=True, help="a folder")
    parser.add_argument("--mean", type=numbers, default=[0.0])
    parser.add_argument("--std", type=numbers, default=[1.0])
    parser.add_argument("--seconds", type=float, default=1500, help="begin no photograph after so many")
    parser.add_argument("--limit", type=int, default=50)
    parser.add_argument("--record", type=Path, default=HERE / "record")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    (rex_side if chosen.side == "rex" else own_side)(chosen)


def numbers(text):
    return [float(part) for part in text.split(",")]


# ReX


def rex_side(chosen):
    """Explain photographs with ReX until the time is over; those that are done already are passed over."""
    import rex

    os.environ["TQDM_DISABLE"] = "1"
    defaults = {"baseline": [128.0], "iterations": 20, "confidence": 0.0, "batch_size": 1, "seed": 0}
    one = rex.Rex(argparse.Namespace(**vars(chosen), **defaults))
    record = chosen.out / "rex.jsonl"
    done = (
        {json.loads(line)["file"] for line in record.read_text().splitlines()} if record.exists() else set()
    )
    start = time.perf_counter()
    for path in sorted(path for path in chosen.images.iterdir() if path.suffix.lower() in rex.SUFFIXES)[
        : chosen.limit
    ]:
        if path.name in done:
            continue
        if time.perf_counter() - start > chosen.seconds:
            break
        line = explained(one, path, rex.Counted(one.predict), chosen.out)
        with record.open("a") as stream:
            stream.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)


def explained(one, path, predict, out):
    """Search once; then spotlights, then the contrastive explanation."""
    from rex_xai.explanation.explanation import Explanation
    from rex_xai.explanation.multi_explanation import MultiExplanation
    from rex_xai.explanation.rex import calculate_responsibility, predict_target
    from rex_xai.input.config import Strategy

    data = one.data(path)
    data.target = predict_target(data, one.args, predict)
    maps, statistics = calculate_responsibility(data, one.args, predict)
    n_search, line = predict.calls, {"file": path.name, "label": int(data.target.classification)}
    one.args.spotlights = SPOTLIGHTS[-1]
    several = MultiExplanation(maps, predict, data, one.args, statistics)
    calls, seek = [], several.spotlight_search

    def counted():
        calls.append(predict.calls)
        return seek()

    several.spotlight_search = counted
    several.extract()
    calls.append(predict.calls)
    sets = [flat(mask, one) for mask in several.explanations]
    np.save(out / f"{path.name}.several.npy", np.array(sets))
    line["several"] = [{"asked": n, "calls": calls[n - 1]} for n in SPOTLIGHTS]
    before = predict.calls
    one.args.strategy = Strategy.Contrastive
    found = Explanation(maps, predict, data, one.args, statistics)
    found.extract()
    mask = found.necessity_mask
    if mask is not None:
        np.save(out / f"{path.name}.contrastive.npy", flat(mask, one))
    line["contrastive"] = {"found": mask is not None, "calls": n_search + predict.calls - before}
    return line


def flat(mask, one):
    """A set as bool (H, W)."""
    return mask.numpy().reshape(one.shape[1:]).any(axis=0 if one.is_planar else 2)


def apart(sets):
    """The most sets that share no pixel, of these the smallest."""
    for n in range(len(sets), 0, -1):
        ways = [way for way in itertools.combinations(sets, n) if np.sum(way, axis=0).max() == 1]
        if ways:
            return np.array(min(ways, key=lambda way: sum(pixels.sum() for pixels in way)))
    return []


# dccausal


def own_side(chosen):
    """Explain what ReX has explained, check all sets, and write the record."""
    from recording import write_record

    from dccausal import OnnxClassifier, Preprocess, explain

    mean, std = (tuple(given * 3)[:3] for given in (chosen.mean, chosen.std))
    preprocess = Preprocess(mean=mean, std=std, geometry="squash")
    classifier = OnnxClassifier(chosen.model, preprocess=preprocess, device="cpu")
    rows = []
    for text in (chosen.out / "rex.jsonl").read_text().splitlines():
        line = json.loads(text)
        path, label = chosen.images / line["file"], line["label"]
        plain = explain(path, classifier, target=label, max_calls=20)

        def row(method, kind, floor, asked, sets, calls, plain=plain, label=label):
            alone, without = sides(classifier, plain, sets, label)
            rows.append(
                dict(
                    zip(
                        COLUMNS,
                        (
                            *(plain.source.rsplit("/", 1)[-1], method, kind, floor, asked, len(sets)),
                            " ".join(f"{pixels.mean():.4f}" for pixels in sets),
                            *(int(alone.sum()), int((alone & ~without).sum()), calls),
                        ),
                        strict=True,
                    )
                )
            )
            print(rows[-1], flush=True)

        sets = np.load(chosen.out / f"{line['file']}.several.npy")
        sets[~sides(classifier, plain, sets, label)[0]] = False
        for several in line["several"]:
            among = [pixels for pixels in sets[: several["asked"]] if pixels.any()]
            row("rex", "several", 0, several["asked"], apart(among), several["calls"])
        mask = chosen.out / f"{line['file']}.contrastive.npy"
        found = [np.load(mask)] if line["contrastive"]["found"] else []
        row("rex", "contrastive", 1, 1, found, line["contrastive"]["calls"])
        for kind, n, floor in (
            ("several", 3, 0),
            ("several", 3, 0.5),
            ("contrastive", None, 0.5),
            ("contrastive", None, 1),
        ):
            more = {"n": n} if n else {}
            own = explain(path, classifier, target=label, kind=kind, min_confidence=floor, **more)
            row(
                "dccausal",
                kind,
                floor,
                n or 1,
                [one.pixels for one in own.kind.sets],
                own.statistics["model_calls"],
            )
    write_record("rex-kinds", rows, chosen.record)


def sides(classifier, plain, sets, label):
    """Whether each set gives the label alone, and whether the image without it does."""
    if len(sets) == 0:
        return np.zeros(0, bool), np.zeros(0, bool)
    kept = np.array(sets)[..., None]
    images = [np.where(kept, plain.image, plain.baseline), np.where(kept, plain.baseline, plain.image)]
    alone, without = (classifier(each).argmax(axis=1) == label for each in images)
    return alone, without


if __name__ == "__main__":
    main()
