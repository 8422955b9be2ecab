"""Files are there whole or not at all, and a folder's faults are told before the work."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from PIL import Image

from dccausal._shared.files import check_writable, npy_bytes, png_bytes, write_files
from dccausal._shared.unfinished import Unfinished
from dccausal.errors import OutputError


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_files_are_written_into_a_new_folder(tmp_path):
    folder = tmp_path / "a" / "b"
    write_files(folder, {"one": b"1", "two": b"22"})
    assert _names(folder) == ["one", "two"]
    assert (folder / "two").read_bytes() == b"22"


def test_permissions_are_those_of_any_new_file(tmp_path):
    write_files(tmp_path, {"one": b"1"})
    plain = tmp_path / "plain"
    plain.touch()
    assert (tmp_path / "one").stat().st_mode == plain.stat().st_mode


def test_an_earlier_result_is_replaced_and_what_is_stale_removed(tmp_path):
    write_files(tmp_path, {"one": b"old", "extra": b"old", "mark": b"old"})
    write_files(tmp_path, {"one": b"new", "mark": b"new"}, stale=["extra", "never there"])
    assert _names(tmp_path) == ["mark", "one"]
    assert (tmp_path / "one").read_bytes() == (tmp_path / "mark").read_bytes() == b"new"


@pytest.fixture
def full_disk():
    """No file may grow beyond 4 kB, as on a full disk."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_leaves_the_earlier_result_and_nothing_half_written(tmp_path):
    write_files(tmp_path, {"one": b"old", "mark": b"old"})
    with pytest.raises(OutputError, match=r"cannot be written \(File too large\); a folder"):
        write_files(tmp_path, {"one": b"new", "mark": b"x" * 10000})
    assert _names(tmp_path) == ["mark", "one"]
    assert (tmp_path / "one").read_bytes() == (tmp_path / "mark").read_bytes() == b"old"


def test_the_mark_of_completeness_goes_first_and_comes_last(tmp_path):
    write_files(tmp_path, {"one": b"old", "mark": b"old"})
    (tmp_path / "one").unlink()
    (tmp_path / "one").mkdir()  # a fault between the first file and the last
    with pytest.raises(OutputError):
        write_files(tmp_path, {"one": b"new", "mark": b"new"})
    assert _names(tmp_path) == ["one"]


def test_what_a_killed_process_left_goes_and_what_another_writes_stays(tmp_path):
    (tmp_path / ".one.0123456789ab.tmp").write_bytes(b"half")
    (tmp_path / ".other.0123456789ab.tmp").write_bytes(b"half")
    writer = Unfinished(tmp_path, "one")
    write_files(tmp_path, {"one": b"1"})
    assert set(_names(tmp_path)) == {"one", ".other.0123456789ab.tmp", writer.path.name}
    writer.write(b"2")
    write_files(tmp_path, {"one": b"3"})
    writer.path.replace(tmp_path / "one")
    writer.end()
    assert _names(tmp_path) == [".other.0123456789ab.tmp", "one"]
    assert (tmp_path / "one").read_bytes() == b"2"


def test_many_writers_of_one_file_disturb_nobody(tmp_path):
    write_files(tmp_path, {"one": b"0" * 100_000})
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        writers = [pool.submit(_write_often, tmp_path, digit) for digit in range(4)]
        while not all(writer.done() for writer in writers):
            content = (tmp_path / "one").read_bytes()  # it is there all the time, and whole
            assert (len(content), len(set(content))) == (100_000, 1)
        for writer in writers:
            writer.result()
    assert _names(tmp_path) == ["one"]


def _write_often(folder, digit):
    for _ in range(60):
        write_files(folder, {"one": str(digit).encode() * 100_000})


def test_a_file_in_place_of_the_folder_is_an_output_error(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OutputError, match="is not a folder; a folder is needed"):
            check_writable(folder)
        with pytest.raises(OutputError, match="a folder that may be written is needed"):
            write_files(folder, {"one": b"1"})


def test_checking_leaves_nothing_behind(tmp_path):
    check_writable(tmp_path / "not" / "there")
    check_writable(tmp_path, ["one"])
    assert _names(tmp_path) == []


def test_checking_a_relative_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_writable("explanations")
    check_writable("")
    assert _names(tmp_path) == []


@pytest.mark.parametrize("folder", ["/proc/dccausal", "/dev/null/x", "x" * 300, "a\0b"])
def test_folders_that_cannot_be_are_told_before(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="is needed"):
        check_writable(folder)


def test_a_dangling_link_is_no_folder(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="is not a folder"):
        check_writable(tmp_path / "link")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_told_before(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        check_writable(tmp_path / "new")


def test_a_folder_with_the_name_of_a_file_is_told_before(tmp_path):
    (tmp_path / "one").mkdir()
    with pytest.raises(OutputError, match="one is a folder; a file of that name is to be written"):
        check_writable(tmp_path, ["one"])


def test_contents_are_the_same_bytes_and_can_be_read_back(tmp_path):
    array = np.random.default_rng(0).random((3, 4), dtype=np.float32)
    assert npy_bytes(array) == npy_bytes(array.copy(order="F"))
    (tmp_path / "a.npy").write_bytes(npy_bytes(array))
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), array)
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    (tmp_path / "a.png").write_bytes(png_bytes(Image.fromarray(pixels)))
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)
