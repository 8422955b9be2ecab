"""What several test files need: classifiers with a known truth, the default model, the shared experiments."""

import os
import shutil
import signal
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from dccausal.assets.default_model import default_model
from planted import plant, write

# Nothing in the tests may depend on what was fastest: the batch size is the same everywhere.
os.environ["DCCAUSAL_CALIBRATION"] = "off"

# Started in the background by a shell, Python ignores SIGINT, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine, or shapes of which many do not fit together, is no fault of a property.
_CALM = [HealthCheck.too_slow, HealthCheck.filter_too_much]
settings.register_profile("calm", deadline=None, suppress_health_check=_CALM)
settings.load_profile("calm")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def planted(tmp_path_factory):
    """``planted(name, size=(64, 64), share=1.0)``: a ``Planted`` whose ``path`` and ``photo`` are files."""
    folder = tmp_path_factory.mktemp("planted")

    @cache
    def get(name, size=(64, 64), share=1.0):
        place = folder / f"{size[0]}x{size[1]}-{share}"
        place.mkdir(exist_ok=True)
        return write(plant(name, size, share), place)

    return get


@pytest.fixture(scope="session")
def default_model_path(tmp_path_factory):
    """The default model, made anew in each session of tests."""
    return default_model(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def shared():
    """The folder of models and photographs beside the repository; tests that need it are skipped without."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "models").is_dir():
        pytest.skip(f"{folder} is not there")
    return folder


_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if path is None:
        pytest.skip(f"none of {', '.join(_BROWSERS)} is there")
    with playwright.sync_playwright() as running:
        launched = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()
