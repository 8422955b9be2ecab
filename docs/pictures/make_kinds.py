"""
Draw the picture of the page on kinds of explanation.

``python docs/pictures/make_kinds.py [--out FOLDER]`` asks the default model about the photograph that the package
carries, a kind at a time, some 3,000 images in all. "why-not" asks for the label that comes where the necessary set
is masked.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from dccausal import OnnxClassifier, explain
from dccausal.assets.default_model import default_model
from dccausal.assets.photo import demo_photo
from dccausal.explanation.sheet import contact_sheet

HERE = Path(__file__).parent
QUESTIONS = {
    "sufficient": "What suffices?",
    "several": "What else would have sufficed?",
    "necessary": "What would have to go?",
    "contrastive": "What makes the difference?",
    "why-not": "Why not the other label?",
    "complete": "What makes the whole score?",
}


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE)
    out = parser.parse_args().out
    classifier, photo = OnnxClassifier(default_model(), device="cpu"), demo_photo()
    cells, other = [], None
    for kind, question in QUESTIONS.items():
        asked = other if kind == "why-not" else None
        found = explain(photo, classifier, kind=kind, other=asked)  # type: ignore[arg-type]
        if kind == "necessary" and found.kind.sets:
            other = found.kind.sets[0].label_without
        print(found.summary())
        shown = found.kind_picture()
        cells.append((found.picture() if shown is None else shown, f"{question}\n{kind}"))
    sheet = contact_sheet([cells[:3], cells[3:]], width=420)
    sheet.save(out / "kinds.jpg", quality=88, optimize=True)


if __name__ == "__main__":
    main()
