"""
A run over photographs on many machines: Ray carries it, and it can be killed and continued like any run.

The driver reads no photograph. It hands out chunks of them to workers, actors that hold a classifier each, and each
worker writes what it has explained as a part of one data set (``parts``). A part is whole or not there, and its name
and rows do not depend on who writes it. So a worker that dies costs time alone.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

import numpy as np

from dccausal._shared.files import check_writable
from dccausal.engine.backend import open_classifier
from dccausal.engine.options import GivenOptions, Options, defaults
from dccausal.errors import InputError, OutputError
from dccausal.explanation.pictures import check_drawing
from dccausal.inputs.baseline import make_baseline
from dccausal.onnx.classifier import OnnxClassifier
from dccausal.onnx.model_classifier import ModelClassifier
from dccausal.runs.cluster import Cluster, start_ray
from dccausal.runs.folder import DECIDING, DRAWING
from dccausal.runs.manifest import MANIFEST, check_same, make_manifest, read_manifest, write_manifest
from dccausal.runs.parts import RESULTS, Done, parts_of, settle, take_over, write_part
from dccausal.runs.pool import Pool
from dccausal.runs.ray_source import Blocks, Source, source_of
from dccausal.runs.table import TABLE, lock
from dccausal.runs.worker import Chunk, Part, Settings, death_of

_LEAST_IN_A_CHUNK, _MOST_IN_A_CHUNK = 2, 256
_CHUNKS_LEFT = 8  # for each worker, while there are so many photographs


def explain_dataset(
    ds: Any,
    model: str | os.PathLike[str] | Any,
    out: str | os.PathLike[str],
    *,
    actors: int | None = None,
    actor_cpus: float = 1.0,
    actor_gpus: float = 0.0,
    in_flight_images: int | None = None,
    files: bool = False,
    resume: bool = False,
    retry: bool = False,
    recursive: bool = False,
    address: str | None = None,
    drawing: Mapping[str, Any] | None = None,
    **options: Unpack[GivenOptions],
) -> Iterator[Part]:
    """
    Explain a data set of photographs on a cluster of Ray's, and yield what became of each part once it is on the disk.

    The table is the folder ``out/results``, a data set of Parquet files that pandas, Polars, DuckDB and Ray read as
    one. Its rows are those of a run on one machine. Each photograph is in it once, whatever was killed.

    Parameters
    ----------
    ds
        A ``ray.data.Dataset`` with a column "path", and with "bytes" or "image" where the photographs are in it; or
        paths, folders, patterns, addresses in object stores ("s3://bucket/folder"), or Parquet files.
    model
        The path of an ONNX file that all machines see, the address of a model on a server, or a classifier that can be
        pickled. It is opened once in each actor.
    out
        Folder of the run, which all machines see.
    actors
        How many; by default as many as the cluster has room for.
    actor_cpus, actor_gpus
        What each actor takes. An ``OnnxClassifier`` has a thread for each CPU.
    in_flight_images
        As for ``explain_many``, in each actor.
    files
        Whether each photograph gets its files too, in ``out/images/NAME``; for paths only.
    resume, retry, recursive, drawing
        As for ``run_folder``.
    address
        Of a running cluster, "auto" or HOST:PORT; by default Ray runs on this machine, or as it does already.
    options
        Those of ``explain``.

    Yields
    ------
    Part
        "n", "n_failed", "n_calls", "outcomes", the first few that "failed", and the "last" path.

    Raises
    ------
    InputError
        If an option, a path, the address or the run of before does not do; before any work.
    RuntimeMissingError
        If Ray or pyarrow is not installed.
    OutputError, DeviceError
        What is no photograph's fault; the run can be continued.

    """
    given = {**defaults(), **options}
    with RayRun.begin(
        ds,
        model,
        Path(out),
        cluster=Cluster(address, actors, actor_cpus, actor_gpus, in_flight_images),
        files=files,
        resume=resume,
        retry=retry,
        recursive=recursive,
        drawing={**DRAWING, **(drawing or {})},
        options=given,
    ) as run:
        yield from run.explain()


@dataclass(eq=False)
class RayRun:
    """
    A run that was checked and may go on; ``begin`` makes it, and it is to be closed.

    Attributes
    ----------
    out
        Its folder.
    source
        The photographs.
    done
        Which of them are done.
    pool
        The workers.
    notes
        Sentences on how it goes on.
    outcomes, n_failed, n_calls, sizes
        What became of those that are done: how often each outcome came, how many failed, calls of the model in all,
        and how often each size came, in steps of a thousandth.

    """

    out: Path
    source: Source
    done: Done
    pool: Pool
    notes: list[str]
    outcomes: Counter[str] = field(default_factory=Counter)
    sizes: Counter[int] = field(default_factory=Counter)
    n_failed: int = 0
    n_calls: int = 0
    _locked: int = -1

    @classmethod
    def begin(
        cls,
        ds: Any,
        model: Any,
        out: Path,
        *,
        cluster: Cluster,
        files: bool,
        resume: bool,
        retry: bool,
        recursive: bool,
        drawing: Mapping[str, Any],
        options: Mapping[str, Any],
    ) -> Self:
        """Check everything that concerns all photographs, start the workers, and begin or go on."""
        cluster.check()
        out = Path(os.path.abspath(out))  # noqa: PTH100  links stay, as the workers see them
        check_run_on_ray(out, resume=resume, retry=retry, drawing=drawing, options=options)
        start_ray(cluster.address)
        classifier = open_classifier(model)
        resolve = getattr(classifier, "resolve_label", None)
        if isinstance(classifier, ModelClassifier) and resolve is not None:
            resolve(options["target"])
            make_baseline(options["baseline"], np.zeros((*classifier.size, 3), dtype=np.uint8))
        cluster.room()
        locked = _lock(out)
        try:
            source = source_of(ds, out, recursive=recursive, files=files)
            notes = _settle_manifest(
                out, classifier, source, options, drawing, ds, files=files, resume=resume
            )
            token = secrets.token_hex(8)
            take_over(out, token)
            settings = _settings(out, token, classifier, cluster, options, drawing if files else None)
            n_actors = cluster.room(spare=int(isinstance(source, Blocks)))
            pool = Pool(settings, n_actors, cluster.resources, lambda *lost: _give_up(out, *lost))
            run = cls(out, source, Done(), pool, notes, _locked=locked)
            run.done = settle(out, retry=retry, count=run._count)
            if run.done.n:
                of = "" if source.n is None else f" of {source.n}"
                notes.append(f"resumed: {run.done.n}{of} photographs were done")
            pool.start()
        except BaseException:
            if "pool" in locals():
                pool.stop()
            os.close(locked)
            raise
        return run

    def __enter__(self) -> Self:
        """Return the run."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers, and free the folder for others."""
        self.pool.stop()
        if self._locked >= 0:
            os.close(self._locked)
            self._locked = -1

    def explain(self) -> Iterator[Part]:
        """Have explained what is left, until all is done or something fails that is not a photograph's."""
        yield from self.pool.run(self.source.chunks(self.done, self._sized))
        # What the table holds is what counts.
        self.outcomes, self.sizes, self.n_failed, self.n_calls = Counter(), Counter(), 0, 0
        self.done = settle(self.out, count=self._count)

    def _sized(self, left: int) -> int:
        """Return how many photographs the next chunk has: fewer towards the end, so that all workers end together."""
        return min(_MOST_IN_A_CHUNK, max(_LEAST_IN_A_CHUNK, left // (_CHUNKS_LEFT * self.pool.n)))

    def _count(self, row: Mapping[str, Any]) -> None:
        if row["error"] is not None:
            self.n_failed += 1
            return
        self.outcomes[row["outcome"]] += 1
        self.sizes[round(1000 * row["size"])] += 1
        self.n_calls += row["model_calls"] or 0


def check_run_on_ray(
    out: Path, *, resume: bool, retry: bool, drawing: Mapping[str, Any], options: Mapping[str, Any]
) -> None:
    """
    Check the options of a run before Ray is started or a model loaded.

    Raises
    ------
    InputError
        If one does not do.

    """
    if retry and not resume:
        raise InputError("--retry is for a run that is continued; --resume is needed with it")
    try:
        check_writable(out, [MANIFEST])
        check_writable(out / RESULTS)
    except OutputError as error:
        raise InputError(str(error)) from error
    held = read_manifest(out)
    if held is not None and not resume:
        raise InputError(
            f"{out} holds a run already; --resume continues it, and another --out begins a new one"
        )
    if held is None and parts_of(out):
        raise InputError(f"{out / RESULTS} is there without {MANIFEST}; another --out is needed")
    if (out / TABLE).exists():
        raise InputError(f"{out} holds a run of one machine; another --out is needed")
    check_drawing(drawing["colormap"], drawing["alpha"], drawing["contour"])
    Options.of(options)


def _lock(out: Path) -> int:
    try:
        (out / RESULTS).mkdir(parents=True, exist_ok=True)
        path = out / RESULTS / ".lock"
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(
            f"{out} cannot be written ({error.strerror}); a writable folder is needed"
        ) from error
    try:
        lock(file, path)
    except BaseException:
        os.close(file)
        raise
    return file


def _settle_manifest(
    out: Path,
    classifier: Any,
    source: Source,
    options: Mapping[str, Any],
    drawing: Mapping[str, Any],
    ds: Any,
    *,
    files: bool,
    resume: bool,
) -> list[str]:
    """Write the manifest of the run, or check that it is the one of before."""
    named = (
        [str(ds)]
        if isinstance(ds, str | Path)
        else [str(one) for one in ds]
        if isinstance(ds, Sequence)
        else []
    )
    deciding = {name: options[name] for name in DECIDING} | dict(drawing) | {"files": files}
    how = {"engine": "ray", "source": named, "n_images": source.n}
    new = make_manifest(classifier, deciding, [], [], run=how)
    old = read_manifest(out)
    if old is None:
        write_manifest(out, new)
        return []
    if not resume:
        raise InputError(f"{out} holds a run already; --resume continues it")
    if not isinstance(old.get("run"), dict):
        raise InputError(f"{out} holds a run of one machine; another --out is needed")
    check_same(out, old, new)
    if None not in (old["run"].get("n_images"), source.n) and old["run"]["n_images"] != source.n:
        raise InputError(
            f"{out} was begun with {old['run']['n_images']} photographs, and there are {source.n}; the same data set "
            "is needed to --resume it"
        )
    return []


def _settings(
    out: Path,
    token: str,
    classifier: Any,
    cluster: Cluster,
    options: Mapping[str, Any],
    drawing: Mapping[str, Any] | None,
) -> Settings:
    threads = max(1, int(cluster.actor_cpus))
    own = {**options, "on_interrupt": "raise", "in_flight_images": cluster.in_flight_images, "progress": None}
    own["threads"] = options["threads"] or threads
    opener: Callable[[], Any]
    if isinstance(classifier, OnnxClassifier):
        changes: dict[str, Any] = {"threads": threads, "many": True}
        if cluster.actor_gpus and classifier.device == "cpu":
            changes |= {"device": "cuda", "batch_size": "auto"}
        opener = classifier.recipe(**changes)
    else:
        opener = _Held(classifier)
    return Settings(str(out), token, opener, own, drawing, str(Path.cwd()))


@dataclass(frozen=True)
class _Held:
    """A classifier that travels as it is."""

    classifier: Any

    def __call__(self) -> Any:
        return self.classifier


def _give_up(out: Path, chunk: Chunk, block: Any) -> Part:
    rows = death_of(chunk, block)
    write_part(out, rows)
    failed = [(row["path"], row["error"], row["message"]) for row in rows]
    return Part(len(rows), len(rows), 0, {}, failed, rows[-1]["path"])
