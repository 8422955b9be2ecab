"""An evaluation from its options: everything is checked first, then pair after pair is measured and written down."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np

from dccausal._shared.checks import whole_number
from dccausal._shared.files import sha256_of
from dccausal.engine.options import Options
from dccausal.errors import InputError, OptionError
from dccausal.evaluation.backgrounds import Backgrounds
from dccausal.evaluation.external import ExternalResults
from dccausal.evaluation.measure import Settings
from dccausal.evaluation.methods import check_method
from dccausal.evaluation.neutral import NeutralBackgrounds
from dccausal.evaluation.output import write_pictures, write_tables
from dccausal.evaluation.run import Evaluation, measure_all, pending, slug
from dccausal.evaluation.specs import read_backgrounds, read_external, read_floors, read_methods
from dccausal.evaluation.truth import KINDS, Truth, TruthKind, read_truth
from dccausal.inputs.baseline import make_baselines
from dccausal.runs.begin import begin, check_begin
from dccausal.runs.images import collect, plan_folders
from dccausal.runs.manifest import make_manifest
from dccausal.runs.table import ResultTable

if TYPE_CHECKING:
    from dccausal.inputs.baseline import Baselines
    from dccausal.onnx.model_classifier import ModelClassifier

TABLE = "evaluation.jsonl"
IMAGES = "images"
_EVERYTHING = 1 << 30


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """
    What is measured, and how.

    Attributes
    ----------
    truth
        CSV file with the truth of each photograph.
    truth_kind
        What its boxes are: "occlusion" or "object"; None takes an occlusion where there is a column "shape".
    methods
        Such as "dc-causal,rise:masks=4000".
    external
        Results of other programs, such as "rex=rex.jsonl".
    min_confidence
        Floors of the confidence, such as "0,0.5".
    n
        Photographs drawn; None for all.
    seed
        Of everything random.
    seeds
        With how many seeds, from ``seed`` on, the causal methods explain each photograph; above 1 the rows tell
        how alike these explanations are.
    baseline
        As for ``explain``.
    max_calls, threads, in_flight
        As for ``explain``.
    steps
        Steps of insertion and deletion.
    only_right
        Whether photographs whose top label is not the truth's are left out.
    backgrounds, backgrounds_from
        How many other photographs explanations are laid on, such as 8; "neutral" for plain backgrounds beside which
        they were not asked; or both, "8,neutral". And the folder of the photographs; None takes those of the run.
    save
        Whether the pictures of all photographs are written; else of the first ``sheet``.
    sheet
        Photographs on the contact sheet.

    """

    truth: str | None = None
    truth_kind: str | None = None
    methods: str = "dc-causal"
    external: str | None = None
    min_confidence: str = "0"
    n: int | None = None
    seed: int = 0
    seeds: int = 1
    baseline: Baselines = "grey"
    max_calls: int | None = None
    threads: int | None = None
    in_flight: int | None = None
    steps: int = 50
    only_right: bool = False
    backgrounds: int | str = 0
    backgrounds_from: str | None = None
    save: bool = False
    sheet: int = 8

    def check(self) -> None:
        """
        Check the numbers.

        Raises
        ------
        OptionError
            If one is out of its range.

        """
        names = ("seed", "max_calls", "threads", "in_flight")
        Options.of({name: getattr(self, name) for name in names})
        for name, low in (("n", 1), ("seeds", 1), ("steps", 1), ("sheet", 0)):
            if getattr(self, name) is not None:
                whole_number(f"--{name}", getattr(self, name), low)
        read_backgrounds(self.backgrounds)


# Of these, those that decide the results; floors and the truth are recorded besides.
_DECIDING = (
    "n",
    "seed",
    "seeds",
    "baseline",
    "max_calls",
    "only_right",
    "steps",
    "backgrounds",
    "backgrounds_from",
)


def evaluate(
    folder: str | os.PathLike[str],
    classifier: ModelClassifier,
    out: str | os.PathLike[str],
    *,
    resume: bool = False,
    progress: Callable[[Any], object] | None = None,
    **options: Any,
) -> Iterator[tuple[dict[str, Any], Exception | None]]:
    """
    Measure methods of explanation over photographs of which the truth is known.

    Parameters
    ----------
    folder
        The photographs.
    classifier
        The model.
    out
        Folder of the results: evaluation.jsonl, and at the end the tables.
    resume
        Whether an evaluation that is there is continued.
    progress
        As for ``explain``.
    options
        Fields of ``EvaluationOptions``.

    Yields
    ------
    row, error
        What was measured of a method on a photograph, and what went wrong where something did. The row is in
        the table then.

    Raises
    ------
    InputError
        If an option, a path or the evaluation of before does not do; before any work.
    OutputError, DeviceError, RuntimeMissingError
        What is nobody's fault here; the evaluation can be continued.

    """
    given = EvaluationOptions(**options)
    prepared = check_evaluation(Path(folder), Path(out), given, resume=resume)
    with EvaluationRun.begin(prepared, classifier, resume=resume) as run:
        yield from run.measure(progress or (lambda _: None))
        run.write_tables()


@dataclass(frozen=True)
class Checked:
    """What of an evaluation can be checked without the model."""

    folder: Path
    out: Path
    options: EvaluationOptions
    methods: Mapping[str, Any]
    floors: tuple[float, ...]
    kind: TruthKind
    truths: Sequence[Truth]


def check_evaluation(folder: Path, out: Path, options: EvaluationOptions, *, resume: bool) -> Checked:
    """
    Check what can be checked before a model is loaded.

    Raises
    ------
    InputError
        If an option or a path does not do.

    """
    check_begin(out, TABLE, resume=resume)
    specs, floors = read_methods(options.methods), read_floors(options.min_confidence)
    external = read_external(options.external)
    for spec in specs:
        check_method(spec)
    names = [*(spec.text for spec in specs), *external]
    if len({slug(name) for name in names}) < len(names):
        raise OptionError(f"--methods and --external name {', '.join(names)}; different names are needed")
    options.check()
    kind, truths = _choose(folder, options)
    methods = {
        **{spec.text: spec for spec in specs},
        **{name: ExternalResults(path) for name, path in external.items()},
    }
    return Checked(folder, out, options, methods, floors, kind, truths)


@dataclass(frozen=True, eq=False)
class EvaluationRun:
    """
    An evaluation that was checked and may go on; ``begin`` makes it, and it is to be closed.

    Attributes
    ----------
    evaluation
        What it is about.
    table
        What is measured.
    todo
        The methods that are still to be measured, by the photograph's place.
    notes
        Sentences on how it goes on.

    """

    evaluation: Evaluation
    table: ResultTable
    todo: Mapping[int, Sequence[str]]
    notes: Sequence[str]

    @classmethod
    def begin(cls, checked: Checked, classifier: ModelClassifier, *, resume: bool) -> Self:
        """Begin or go on with a model that is loaded."""
        options, out = checked.options, checked.out
        make_baselines(options.baseline, np.zeros((*classifier.size, 3), dtype=np.uint8))
        paths = [str(checked.folder / truth.file) for truth in checked.truths]
        folders = [f"{IMAGES}/{folder.name}" for folder in plan_folders(paths, out)]
        deciding = {name: getattr(options, name) for name in _DECIDING}
        n_photos, is_neutral = read_backgrounds(options.backgrounds)
        deciding["backgrounds"] = f"{n_photos},neutral" if is_neutral else n_photos
        truth = sha256_of(options.truth or "")
        deciding |= {
            "truth_sha256": truth,
            "truth_kind": checked.kind,
            "min_confidence": list(checked.floors),
        }
        table = begin(out, TABLE, make_manifest(classifier, deciding, paths, folders), resume=resume).table
        names = ("max_calls", "threads", "in_flight")
        evaluation = Evaluation(
            out=out,
            paths=paths,
            folders=folders,
            truths=checked.truths,
            methods=checked.methods,
            classifier=classifier,
            baseline=options.baseline,
            settings=Settings(
                checked.kind,
                checked.floors,
                steps=options.steps,
                max_calls=options.max_calls,
                batch_size=max(32, classifier.batch_size),
            ),
            seed=options.seed,
            seeds=options.seeds,
            explain_options={
                name: getattr(options, name) for name in names if getattr(options, name) is not None
            },
            only_right=options.only_right,
            backgrounds=_backgrounds(options, n_photos, out, paths, classifier),
            neutral=NeutralBackgrounds(paths, classifier, options.seed) if is_neutral else None,
            n_saved=_EVERYTHING if options.save else options.sheet,
        )
        todo = pending(evaluation, {(row["index"], row["method"]) for row in table.rows})
        return cls(evaluation, table, todo, _notes(evaluation, table))

    def __enter__(self) -> Self:
        """Return the run."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the table, which frees it for others."""
        self.table.__exit__(kind, error, trace)

    @property
    def methods(self) -> list[str]:
        """The methods as they are named now, then those of earlier sessions."""
        named = [*self.evaluation.methods, *(str(row["method"]) for row in self.table.rows)]
        return list(dict.fromkeys(named))

    def measure(self, progress: Callable[[Any], object]) -> Iterator[tuple[dict[str, Any], Exception | None]]:
        """Measure what is to be done; yield each row once it is in the table, and its error."""
        for row, error in measure_all(self.evaluation, self.todo, progress):
            self.table.append(row)
            yield row, error

    def write_tables(self) -> list[list[str]]:
        """Write the tables, and return the one for readers; nothing where nothing was measured."""
        rows = self.table.rows
        return write_tables(self.evaluation.out, rows, self.methods) if rows else []

    def write_pictures(self, *, has_plots: bool) -> None:
        """Write the plots, if there are to be any, and the contact sheet."""
        if self.table.rows:
            about = self.evaluation
            write_pictures(
                about.out, self.table.rows, self.methods, about.paths, about.folders, has_plots=has_plots
            )


def _backgrounds(
    options: EvaluationOptions, n: int, out: Path, paths: Sequence[str], classifier: ModelClassifier
) -> Backgrounds | None:
    """Return what explanations are laid on: photographs of the run, or of another folder."""
    if not n:
        return None
    folder = options.backgrounds_from
    others = paths if folder is None else collect([folder], out, recursive=False)
    return Backgrounds(others, classifier, n, options.seed)


def _choose(folder: Path, options: EvaluationOptions) -> tuple[TruthKind, list[Truth]]:
    """Return the truth of the photographs to take, in the order of its file."""
    if options.truth is None:
        raise OptionError("--truth is missing; a CSV file with the truth of each photograph is needed")
    given = options.truth_kind
    if given is not None and given not in KINDS:
        raise OptionError(f"--truth-kind is {given!r}; one of {', '.join(KINDS)} is needed")
    kind, by_file = read_truth(options.truth, cast("TruthKind | None", given))
    truths = list(by_file.values())
    if not any((folder / truth.file).is_file() for truth in truths):
        raise InputError(
            f"{folder} holds none of the {len(truths)} photographs of {options.truth} ({truths[0].file}, ...); "
            "their folder is needed"
        )
    if options.n is not None:
        chosen = np.random.default_rng(options.seed).permutation(len(truths))[: options.n]
        truths = [truths[place] for place in sorted(chosen)]
    return kind, truths


def _notes(evaluation: Evaluation, table: ResultTable) -> list[str]:
    notes = []
    n_there = sum(Path(path).is_file() for path in evaluation.paths)
    if n_there < len(evaluation.paths):
        notes.append(f"note: {n_there} of {len(evaluation.paths)} photographs of the truth are there")
    if table.torn:
        notes.append(f"note: a line of {TABLE} was only half written; it is measured anew")
    if table.rows:
        n_all = len(evaluation.paths) * len(evaluation.methods)
        notes.append(f"resumed: {len(table.rows)} of {n_all} explanations were measured")
    for name, method in evaluation.methods.items():
        if isinstance(method, ExternalResults):
            n_missing = sum(truth.file not in method for truth in evaluation.truths)
            if n_missing:
                notes.append(
                    f"note: {name} has no result for {n_missing} of {len(evaluation.truths)} photographs; "
                    "--resume measures those that come"
                )
    return notes
