"""The options of the command ``demo``, apart from it, so that the help loads nothing else."""

from __future__ import annotations

from dataclasses import replace

from dccausal.cli.options.common import DRAWING, EXPLANATION, OUTPUT, RUNNING, out
from dccausal.cli.options.option import Declared

# Half of the score, since very small sets can be accidents of the model: see the documents on reading a result.
_EXPLANATION = tuple(
    replace(option, default=0.5) if option.name == "min_confidence" else option for option in EXPLANATION
)

COMMAND = Declared(
    name="demo",
    help="Explain a photograph of a giant panda, as it is and with a black square planted in it.",
    options=(*_EXPLANATION, *RUNNING, out("demo", "Folder of the pictures."), *DRAWING, *OUTPUT),
)
