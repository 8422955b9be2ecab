"""The manifest of a run: its photographs and all that decides its results, so that it is not continued otherwise."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dccausal._shared.files import remove_files, write_files
from dccausal._shared.json import json_text
from dccausal.errors import InputError
from dccausal.onnx.classifier import OnnxClassifier

MANIFEST = "manifest.json"
SCHEMA = "dccausal.run"
SCHEMA_VERSION = 1

# Of what is known of a model, that which decides its scores; the rest (the speed, say) may differ.
_CLASSIFIER = (
    *(
        "device",
        "precision",
        "reproducible",
        "input",
        "feed",
        "output",
        "layout",
        "size",
        "channels",
        "scores",
    ),
    "threshold",
    "preprocess",
)
_SHOWN = 60


def make_manifest(
    classifier: OnnxClassifier, options: Mapping[str, Any], images: Sequence[str], folders: Sequence[str]
) -> dict[str, Any]:
    """
    Return the manifest of a run that is about to begin.

    Parameters
    ----------
    classifier
        The model, loaded.
    options
        Those of ``explain`` that decide the results.
    images, folders
        The photographs, and the folder of each one's results, relative to the run's.

    """
    from dccausal import __version__

    known = classifier.provenance()
    names = "\n".join(classifier.names or ())
    manifest = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "dccausal": __version__,
        "model": {
            "path": None if classifier.path is None else str(classifier.path),
            "sha256": classifier.sha256,
            "external_sha256": known["model_external_sha256"],
        },
        "classifier": {
            **{name: known[name] for name in _CLASSIFIER},
            "names_sha256": hashlib.sha256(names.encode("utf-8", "surrogatepass")).hexdigest(),
        },
        "options": {**options, "baseline_sha256": _file_sha256(options.get("baseline"))},
        "images": [{"path": image, "folder": folder} for image, folder in zip(images, folders, strict=True)],
    }
    plain: dict[str, Any] = json.loads(json_text(manifest))
    return plain


def read_manifest(run: Path) -> dict[str, Any] | None:
    """
    Return the manifest of a run; None where there is none.

    Raises
    ------
    InputError
        If it cannot be read.

    """
    path = run / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read ({error}); the manifest of a run is needed") from error
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA or "images" not in manifest:
        raise InputError(f"{path} is something else; the manifest of a run is needed")
    if manifest.get("schema_version") != SCHEMA_VERSION:
        raise InputError(
            f"{path} has version {manifest.get('schema_version')!r}; version {SCHEMA_VERSION} is needed"
        )
    return manifest


def write_manifest(run: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest, whole or not at all; what a killed process left of it goes."""
    remove_files(run, (MANIFEST,))
    write_files(run, {MANIFEST: (json_text(manifest, indent=1) + "\n").encode("ascii")})


def check_same(run: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """
    Check that a run would be continued with what it was begun with.

    Raises
    ------
    InputError
        If not; the text says what differs.

    """
    before, now = dict(_deciding(old)), dict(_deciding(new))
    differing = [
        f"{key} was {_short(before.get(key))} and is {_short(now.get(key))}"
        for key in {**before, **now}
        if before.get(key) != now.get(key)
    ]
    if differing:
        raise InputError(
            f"{run} was begun otherwise: {'; '.join(differing)}; the same is needed to --resume it, or another --out"
        )


def _deciding(manifest: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "dccausal's version", manifest.get("dccausal")
    for part, name in (("model", "model's {}"), ("classifier", "{}"), ("options", "--{}")):
        for key, value in manifest.get(part, {}).items():
            if (part, key) == ("model", "path"):
                continue
            if isinstance(value, Mapping) and key == "preprocess":
                yield from ((f"preprocess {inner}", inner_value) for inner, inner_value in value.items())
            else:
                yield name.format(key.replace("_", "-") if part == "options" else key), value


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _file_sha256(baseline: Any) -> str | None:
    """Return the hash of a baseline that is an image file."""
    if not isinstance(baseline, str) or not Path(baseline).is_file():
        return None
    with Path(baseline).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
