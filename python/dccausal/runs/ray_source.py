"""Where the photographs of a run on Ray come from: paths, object stores, Parquet, or any data set of Ray's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from dccausal._shared.files import read_bytes, write_files
from dccausal._shared.text import said
from dccausal.errors import ImageError, InputError, OutputError
from dccausal.inputs.photo_files import add_formats
from dccausal.runs.export import require_arrow
from dccausal.runs.images import SUFFIXES, Namer, stream
from dccausal.runs.manifest import IMAGES, read_manifest
from dccausal.runs.parts import Done
from dccausal.runs.worker import Chunk

LISTING = "images.parquet"
_BATCH = 65_536
_PATHS, _IMAGES = ("path", "image_path", "file_name", "filename", "uri", "url"), ("bytes", "image", "img")

# What a chunk of so many photographs at most is made of, given how many are left.
Sized = Callable[[int], int]


class Source(Protocol):
    """
    Photographs in an order that does not change.

    Attributes
    ----------
    n
        Their number; None where that is not known before.

    """

    n: int | None

    def chunks(self, done: Done, sized: Sized) -> Iterator[tuple[Chunk, Any]]:
        """Yield what is not done, and with each chunk the block that has its photographs, or None."""
        ...


@dataclass
class Listing:
    """
    Paths and addresses, in a Parquet file of the run, so that they need not be held.

    Attributes
    ----------
    path
        The file.
    n
        Their number.

    """

    path: Path
    n: int | None

    @classmethod
    def of(cls, out: Path, arguments: Sequence[str], *, recursive: bool, files: bool) -> Listing:
        """
        Look for photographs and list them in the run's folder; a list that is there is kept.

        Raises
        ------
        ImageError
            If an argument stands for no photograph.
        OutputError
            If the list cannot be written.

        """
        pa = require_arrow()
        import pyarrow.parquet as pq

        path = out / LISTING
        if path.exists():
            return cls(path, _count(path))
        namer = Namer()
        schema = pa.schema({"path": pa.string(), "folder": pa.string()})
        sink, n = pa.BufferOutputStream(), 0
        with pq.ParquetWriter(sink, schema) as writer:
            for paths in _batches(_found(arguments, out, recursive=recursive)):
                folders = [f"{IMAGES}/{namer(one)}" if files else None for one in paths]
                writer.write_table(pa.table({"path": paths, "folder": folders}, schema=schema))
                n += len(paths)
        write_files(out, {LISTING: sink.getvalue().to_pybytes()})
        return cls(path, n)

    def chunks(self, done: Done, sized: Sized) -> Iterator[tuple[Chunk, Any]]:
        """Yield what is not done."""
        import pyarrow.parquet as pq

        start, left = 0, (self.n or 0) - done.n
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(_BATCH):
                paths, folders = (batch.column(name).to_pylist() for name in ("path", "folder"))
                todo = [i for i in range(len(paths)) if start + i not in done]
                at = 0
                while at < len(todo):
                    rows = todo[at : at + sized(left)]
                    at, left = at + len(rows), left - len(rows)
                    own = [folders[i] for i in rows]
                    yield (
                        Chunk(
                            [start + i for i in rows], [paths[i] for i in rows], None if None in own else own
                        ),
                        None,
                    )
                start += len(paths)


@dataclass
class Blocks:
    """
    A data set of Ray's with a column "path", and "image" where the photographs are in it, as bytes.

    Attributes
    ----------
    dataset
        The data set.
    n
        Its number of rows, where that is known.

    """

    dataset: Any
    n: int | None

    @classmethod
    def of(cls, dataset: Any, n: int | None = None) -> Blocks:
        """
        Take a data set; its columns are found by their names.

        Raises
        ------
        InputError
            If it has neither paths nor photographs.

        """
        schema = dataset.schema()
        kinds = dict(zip(schema.names, map(str, schema.types), strict=True)) if schema is not None else {}
        path = next((name for name in _PATHS if kinds.get(name) in ("string", "large_string")), None)
        image = next((name for name in _IMAGES if "binary" in kinds.get(name, "")), None)
        if path is None and image is None:
            listed = ", ".join(f"{name} {kind}" for name, kind in kinds.items()) or "no columns"
            raise InputError(
                f"the data set has {listed}; a column of paths ({', '.join(_PATHS)}) or of image bytes "
                f"({', '.join(_IMAGES)}) is needed"
            )
        wanted = [name for name in (path, image) if name is not None]
        return cls(
            dataset.select_columns(wanted).map_batches(
                _renamed, fn_args=(path, image), batch_format="pyarrow", batch_size=None
            ),
            n,
        )

    def chunks(self, done: Done, sized: Sized) -> Iterator[tuple[Chunk, Any]]:
        """Yield what is not done; blocks stay in the object store, and few of them are made ahead."""
        self.dataset.context.execution_options.preserve_order = True
        start = 0
        for bundle in self.dataset.iter_internal_ref_bundles():
            for block, about in zip(bundle.block_refs, bundle.metadata, strict=True):
                n = about.num_rows or 0
                todo = [i for i in range(n) if start + i not in done]
                at = 0
                while at < len(todo):
                    left = (self.n - start - todo[at]) if self.n is not None else len(todo) - at
                    rows = todo[at : at + sized(left)]
                    at += len(rows)
                    yield Chunk([start + i for i in rows], None, None, rows), block
                start += n


def _renamed(table: Any, path: str | None, image: str | None) -> Any:
    """Return the table with "path" and "image"; a photograph without a path is told by its bytes."""
    import hashlib

    pa = require_arrow()
    columns = {}
    if image is not None:
        column = table.column(image)
        kind = column.type
        if pa.types.is_struct(kind):  # as data sets of Hugging Face have it
            column = pa.chunked_array([chunk.field("bytes") for chunk in column.chunks], pa.binary())
        columns["image"] = column
    if path is not None:
        columns["path"] = table.column(path)
    else:
        names = [hashlib.sha256(one.as_py() or b"").hexdigest()[:16] for one in columns["image"]]
        columns["path"] = pa.array(names, pa.string())
    return pa.table(columns)


def source_of(photographs: Any, out: Path, *, recursive: bool, files: bool) -> Source:
    """
    Return the photographs that are meant.

    Parameters
    ----------
    photographs
        A data set of Ray's; or paths of photographs, folders, patterns and addresses in object stores; or one or more
        Parquet files.
    out, recursive
        As for ``collect``.
    files
        Whether each photograph gets a folder of its own.

    Raises
    ------
    InputError
        If nothing is there.

    """
    if hasattr(photographs, "iter_internal_ref_bundles"):
        return _without_files(Blocks.of(photographs), files=files)
    arguments = (
        [str(photographs)] if isinstance(photographs, str | Path) else [str(one) for one in photographs]
    )
    if not arguments:
        raise ImageError("no photographs were given; a path, a folder or an address is needed")
    tables = [argument for argument in arguments if _is_parquet(argument)]
    if not tables:
        if read_manifest(out) is None:
            # A listing that is there all the same is of a process that was killed before its run began.
            (out / LISTING).unlink(missing_ok=True)
        return Listing.of(out, arguments, recursive=recursive, files=files)
    if len(tables) < len(arguments):
        raise InputError(f"{tables[0]} and photographs were given at once; one kind is needed")
    import ray.data

    # Ray reads in processes of its own, which may be in other folders.
    tables = [table if "://" in table else os.path.abspath(table) for table in tables]  # noqa: PTH100
    try:
        dataset = ray.data.read_parquet(tables if len(tables) > 1 else tables[0])
        return _without_files(Blocks.of(dataset, _rows_in(tables)), files=files)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{tables[0]} cannot be read ({said(error)}); Parquet with image bytes is needed"
        ) from error


def _without_files(blocks: Blocks, *, files: bool) -> Blocks:
    if files:
        raise InputError("files for each photograph were asked for; paths of photographs are needed for them")
    return blocks


def _is_parquet(argument: str) -> bool:
    if argument.lower().endswith(".parquet"):
        return True
    folder = Path(argument)
    return "://" not in argument and folder.is_dir() and any(folder.glob("*.parquet"))


def _rows_in(tables: Sequence[str]) -> int | None:
    import pyarrow.dataset

    try:
        return sum(int(pyarrow.dataset.dataset(table).count_rows()) for table in tables)
    except Exception:  # noqa: BLE001  it is only for the bar
        return None


def _count(path: Path) -> int:
    pa = require_arrow()
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(pa.BufferReader(read_bytes(path, 16 << 30))) as file:
            return int(file.metadata.num_rows)
    except (OSError, pa.ArrowException) as error:
        raise OutputError(f"{path} cannot be read ({error}); the list of a run is needed") from error


def _found(arguments: Sequence[str], out: Path, *, recursive: bool) -> Iterator[str]:
    for argument in arguments:
        if "://" in argument:
            yield from _in_store(argument, recursive=recursive)
        else:
            continue
    local = [argument for argument in arguments if "://" not in argument]
    if local:
        yield from stream(local, out, recursive=recursive)


def _in_store(address: str, *, recursive: bool) -> Iterator[str]:
    """Yield the addresses of the photographs at an address: itself, or those below it."""
    if urlsplit(address).password:
        raise InputError(
            f"{address.partition('://')[0]}://...@... has a key in it, which the table of the run would show; a key in "
            "the environment is needed (such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
        )
    require_arrow()
    from pyarrow.fs import FileSelector, FileSystem, FileType

    try:
        filesystem, inner = FileSystem.from_uri(address)
        about = filesystem.get_file_info(inner)
        if about.type == FileType.File:
            yield address
            return
        below = sorted(
            one.path
            for one in filesystem.get_file_info(FileSelector(inner, recursive=recursive))
            if one.type == FileType.File and Path(one.path).suffix.lower() in (SUFFIXES | add_formats())
        )
    except Exception as error:
        raise ImageError(
            f"{address} cannot be read ({said(error)}); an address that answers is needed"
        ) from error
    if not below:
        raise ImageError(f"{address} holds no photographs; files with a suffix like .jpg or .png are needed")
    place, mark, query = address.partition("?")
    head = place.removesuffix("/").removesuffix(inner.rstrip("/"))
    yield from (f"{head}{path}{mark}{query}" for path in below)


def _batches(paths: Iterator[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for path in paths:
        batch.append(path)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
