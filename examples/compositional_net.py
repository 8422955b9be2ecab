"""
Explain a compositional network, or any other network of PyTorch, as it is: a callable around it is a classifier.

``python examples/compositional_net.py photo.jpg FILE.py:FUNCTION [--size 224] [--out FOLDER]``

FUNCTION takes nothing and returns the network, an ``nn.Module`` with its weights loaded. For the authors' own code of
CompositionalNets (Kortylewski 2020) it makes their ``Net`` and loads one of their files of weights. Their network
returns several things, the scores first; of another network the same is taken.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal import Explanation, explain, load_photo

MISSING = "this example needs PyTorch: pip install torch"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class TorchClassifier:
    """
    A network of PyTorch as a classifier.

    Parameters
    ----------
    network
        An ``nn.Module`` of images float32 (N, 3, H, W), which returns scores (N, classes), first among others maybe.
    size
        Height and width of the images.
    mean, std
        A channel: the network is given ``(pixel / 255 - mean) / std``.
    device
        PyTorch's name of where it runs.
    names
        Class names, so that labels can be given and shown by name.

    """

    def __init__(
        self,
        network: Any,
        *,
        size: int = 224,
        mean: Sequence[float] = MEAN,
        std: Sequence[float] = STD,
        device: str = "cpu",
        names: Sequence[str] | None = None,
    ) -> None:
        """Put the network into the state that it classifies in."""
        import torch

        self.names = names
        self.height = self.width = size
        self._torch, self._device = torch, device
        self._network = network.to(device).eval()
        self._mean, self._std = (np.asarray(values, np.float32) for values in (mean, std))

    def __call__(self, images: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Classify uint8 (N, H, W, 3) RGB; probabilities (N, classes)."""
        torch = self._torch
        tensor = ((images / np.float32(255) - self._mean) / self._std).transpose(0, 3, 1, 2)
        with torch.inference_mode():
            found = self._network(torch.from_numpy(np.ascontiguousarray(tensor)).to(self._device))
            scores = found[0] if isinstance(found, list | tuple) else found
            return np.asarray(torch.softmax(scores.float(), dim=1).cpu().numpy())


def explain_photo(photo: Path, classifier: TorchClassifier, **options: Any) -> Explanation:
    """Explain a photograph, brought to the network's size first."""
    size = classifier.width, classifier.height
    return explain(np.asarray(load_photo(photo).resize(size)), classifier, **options)


def load_network(place: str) -> Any:
    """Return what a function makes: ``FILE.py:FUNCTION``."""
    file, _, function = place.rpartition(":")
    spec = importlib.util.spec_from_file_location("network", file)
    if spec is None or spec.loader is None or not Path(file).is_file():
        raise SystemExit(
            f"error: the network is {place!r}; FILE.py:FUNCTION is needed, and the file has to be there"
        )
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(Path(file).parent))  # what the file imports from beside it
    spec.loader.exec_module(module)
    return getattr(module, function)()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("network", help="FILE.py:FUNCTION")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--max-calls", type=int, default=500)
    parser.add_argument("--out", type=Path, default=Path("explanations/torch"))
    given = parser.parse_args(arguments)
    if importlib.util.find_spec("torch") is None:
        sys.stderr.write(f"error: {MISSING}\n")
        return 2
    classifier = TorchClassifier(load_network(given.network), size=given.size, device=given.device)
    explanation = explain_photo(given.photo, classifier, max_calls=given.max_calls)
    explanation.save(given.out)
    sys.stdout.write(f"{explanation.summary()}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
