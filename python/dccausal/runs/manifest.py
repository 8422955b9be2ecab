"""The manifest of a run: its photographs and all that decides its results, so that it is not continued otherwise."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from dccausal._shared.files import is_file, read_bytes, sha256_of, write_files
from dccausal._shared.json import json_text
from dccausal.errors import InputError, OutputError
from dccausal.onnx.model import OnnxModel
from dccausal.onnx.model_classifier import ModelClassifier

MANIFEST = "manifest.json"
IMAGES = "images"
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
    # Of models that do not classify:
    *("outputs", "gives", "decoder", "sizing"),
)
_SHOWN = 60
_OWN = "sha256"  # of the manifest without it


def make_manifest(
    classifier: ModelClassifier | OnnxModel,
    options: Mapping[str, Any],
    images: Sequence[str],
    folders: Sequence[str],
    **more: Any,
) -> dict[str, Any]:
    """
    Return the manifest of a run that is about to begin.

    Parameters
    ----------
    classifier
        The model, loaded; or any callable, of which its class is all that is known.
    options
        Those of ``explain`` that decide the results.
    images, folders
        The photographs, and the folder of each one's results, relative to the run's.
    more
        Other keys, which decide nothing.

    """
    from dccausal._core import __version__

    told: Any = getattr(classifier, "provenance", lambda: {"name": type(classifier).__qualname__})
    known: Mapping[str, Any] = told()
    names = "\n".join(getattr(classifier, "names", None) or ())
    path = getattr(classifier, "path", None)
    own = _CLASSIFIER if hasattr(classifier, "provenance") else ("name",)
    manifest = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "dccausal": __version__,
        "model": {
            "path": None if path is None else str(path),
            "sha256": getattr(classifier, "sha256", None),
            "external_sha256": known.get("model_external_sha256"),
            **getattr(classifier, "identity", {}),
        },
        "classifier": {
            **{name: known[name] for name in own if name in known},
            "names_sha256": hashlib.sha256(names.encode("utf-8", "surrogatepass")).hexdigest(),
        },
        "options": {**options, "baseline_sha256": _file_sha256(options.get("baseline"))},
        "images": [{"path": image, "folder": folder} for image, folder in zip(images, folders, strict=True)],
        **more,
    }
    plain: dict[str, Any] = json.loads(json_text(manifest))
    return {**plain, _OWN: _own_sha256(plain)}


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
        manifest = json.loads(read_bytes(path))
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
    if _OWN in manifest and manifest[_OWN] != _own_sha256(manifest):
        raise InputError(f"{path} was changed after the run began; the manifest as it was is needed")
    if not all(isinstance(manifest.get(part, {}), dict) for part in ("model", "classifier", "options")):
        raise InputError(
            f"{path} has a model, a classifier or options that are none; a whole manifest is needed"
        )
    _check_images(path, manifest["images"])
    return manifest


def write_manifest(run: Path, manifest: Mapping[str, Any]) -> None:
    """
    Begin a run: write its manifest, whole or not at all; what a killed process left of it goes.

    Raises
    ------
    InputError
        If another process has begun a run there meanwhile, or folders of results are links to elsewhere.
    OutputError
        If it cannot be written.

    """
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{run} cannot be made ({error.strerror}); a folder is needed") from error
    with locked_folder(run):
        if os.path.lexists(run / MANIFEST):
            raise InputError(
                f"{run} holds a run that another process has begun meanwhile; --resume continues it once it has "
                "ended, and another --out begins a new one"
            )
        _check_own(run, manifest)
        content = (json_text(manifest, indent=1) + "\n").encode("ascii")
        write_files(run, {MANIFEST: content})


@contextlib.contextmanager
def locked_folder(run: Path) -> Iterator[None]:
    """Hold other processes off while the run begins, where the system has locks."""
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows
        yield
        return
    descriptor = os.open(run, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def result_folder(run: Path, folder: str) -> Path:
    """
    Return where a photograph's files are to be written.

    Raises
    ------
    InputError
        If it is not a folder of the run itself: the manifest leads elsewhere, or a link does.

    """
    if not is_own_folder(folder):
        raise InputError(f"{run}: a result is to be written to {folder!r}; {IMAGES}/NAME is needed")
    for path in (run / IMAGES, run / folder):
        if path.is_symlink():
            raise InputError(f"{path} is a link; a folder of the run itself is needed")
    return run / folder


def is_target_folder(folder: object, photograph: str) -> bool:
    """Return whether a folder, relative to the run's, is one that a target of a photograph has: images/NAME/TARGET."""
    head, _, name = folder.rpartition("/") if isinstance(folder, str) else ("", "", "")
    return head == photograph and is_own_folder(f"{IMAGES}/{name}")


def is_own_folder(folder: object) -> bool:
    """Return whether a folder, relative to the run's, is one that a run gives a photograph: images/NAME."""
    head, _, name = folder.partition("/") if isinstance(folder, str) else ("", "", "")
    return head == IMAGES and name not in ("", ".", "..") and "\0" not in name and PurePath(name).name == name


def _check_images(path: Path, images: Any) -> None:
    if not isinstance(images, list) or not all(
        isinstance(entry, dict) and isinstance(entry.get("path"), str) and is_own_folder(entry.get("folder"))
        for entry in images
    ):
        raise InputError(
            f"{path} has images that are none; a path and a folder {IMAGES}/NAME for each are needed"
        )
    if len({entry["folder"] for entry in images}) < len(images):
        raise InputError(f"{path} gives two photographs one folder; a folder for each is needed")


def _check_own(run: Path, manifest: Mapping[str, Any]) -> None:
    for entry in manifest["images"]:
        result_folder(run, entry["folder"])


def _own_sha256(manifest: Mapping[str, Any]) -> str:
    content = {key: value for key, value in manifest.items() if key != _OWN}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("ascii")).hexdigest()


def check_same(run: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """
    Check that a run would be continued with what it was begun with.

    Raises
    ------
    InputError
        If not; the text says what differs. And if folders of results are links to elsewhere.

    """
    _check_own(run, old)
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


def _file_sha256(baseline: Any) -> str | list[str | None] | None:
    """Return the hash of a baseline that is an image file; of several a list, if any is."""
    if isinstance(baseline, list | tuple) and not all(isinstance(one, int) for one in baseline):
        hashes = [_one_sha256(one) for one in baseline]
        return hashes if any(hashes) else None
    return _one_sha256(baseline)


def _one_sha256(baseline: Any) -> str | None:
    if not isinstance(baseline, str) or not is_file(baseline):
        return None
    return sha256_of(baseline)
