"""Perceptual colour maps for heatmaps, as 17 or 33 colours each; those between are interpolated.

Sampled from the maps of the same names, which Matplotlib has in the public domain (CC0): inferno, magma, plasma and
viridis by Nathaniel Smith and Stefan van der Walt, cividis by Jamie Nunez, Christopher Anderton and Ryan Renslow
(PLOS ONE 13(7), 2018), made for readers with colour vision deficiency. No interpolated channel is more than 6 of 255
away from theirs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dccausal.errors import OptionError

COLORMAPS: dict[str, str] = {
    "inferno": (
        "000004 0b0724 210c4a 3c0965 57106d 70196e 89226a a32b61 bb3755 "
        "d14644 e35932 f1711e f98d0a fcab0f f9ca32 f2e865 fcffa4"
    ),
    "magma": (
        "000004 0a0822 1d1146 36106a 50127c 691c81 822681 9c2e7f b63779 "
        "cf4170 e65163 f5695c fb8761 fea571 fec387 fde0a2 fcfdbf"
    ),
    "plasma": (
        "0d0887 310596 4c02a1 6600a7 7e03a8 9511a2 a92396 bb3587 cb4778 "
        "d9596a e66c5c f07f4f f89441 fdab33 fdc328 f9dd25 f0f921"
    ),
    "viridis": (
        "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26818e 21908c "
        "1f9f88 28ae80 3ebc74 5dc963 82d34c abdc32 d5e21a fde725"
    ),
    "cividis": (
        "00224e 00285b 002e6a 053371 1a386f 273e6e 32436d 3b496c 434e6c 4b546c 535a6d "
        "5a5f6e 61656f 686a71 6f7073 767676 7c7c78 838179 8b8778 928d78 9a9376 a29975 "
        "aaa073 b3a670 bbad6d c3b369 ccba64 d4c15f ddc858 e6d051 efd748 f8df3c fee838"
    ),
    "grey": "000000 ffffff",
}

_LEVELS = 256


def colours(name: str) -> NDArray[np.uint8]:
    """
    Return the 256 colours of a map, uint8 (256, 3) RGB, cold first.

    Raises
    ------
    OptionError
        If no map has that name.

    """
    if name not in COLORMAPS:
        raise OptionError(f"colormap is {name!r}; one of {', '.join(COLORMAPS)} is needed")
    points = np.array([list(bytes.fromhex(colour)) for colour in COLORMAPS[name].split()], dtype=np.float64)
    at = np.linspace(0, len(points) - 1, _LEVELS)
    channels = [np.interp(at, np.arange(len(points)), points[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)
