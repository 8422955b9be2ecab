"""The table of a run: torn, damaged, locked, on a full disk."""

from __future__ import annotations

import os

import pytest

from dccausal.errors import ImageError, InputError, OutputError
from dccausal.runs.table import ResultTable, row_of


def _row(index):
    return row_of(index, f"p{index}\udc80.png", "images/p", ImageError("it is\nbad"))


def test_a_table_torn_anywhere_in_its_last_line_is_mended(tmp_path):
    path = tmp_path / "results.jsonl"
    with ResultTable(path) as table:
        table.append(_row(0))
        whole = path.read_bytes()
        table.append(_row(1))
    content = path.read_bytes()
    for end in range(len(whole) + 1, len(content)):
        for tail in (b"", b"\0" * 20, b"\0\n"):
            path.write_bytes(content[:end] + tail)
            with ResultTable(path) as table:
                assert (table.rows, table.torn) == ([_row(0)], end - len(whole) + len(tail))
                assert path.read_bytes() == whole
                table.append(_row(1))
            assert path.read_bytes() == content


def test_a_table_damaged_in_its_middle_is_refused(tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_bytes(b'{"index": 0}\n{"inde\n{"index": 2}\n')
    with pytest.raises(InputError, match="line 2 of 3 is damaged"):
        ResultTable(path)
    assert path.stat().st_size == 33


def test_a_table_has_one_writer(tmp_path):
    path = tmp_path / "results.jsonl"
    with ResultTable(path), pytest.raises(InputError, match="is being written by another process"):
        ResultTable(path)
    ResultTable(path).__exit__(None, None, None)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_a_full_disk_is_an_error_and_leaves_the_table_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "results.jsonl"
    with ResultTable(path) as table:
        table.append(_row(0))
        whole, write = path.read_bytes(), os.write

        def fill(file, line):
            write(file, line[:10])
            with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123
                return full.write(line)

        monkeypatch.setattr(os, "write", fill)
        with pytest.raises(OutputError, match="No space left"):
            table.append(_row(1))
        assert path.read_bytes() == whole
        assert len(table.rows) == 1
