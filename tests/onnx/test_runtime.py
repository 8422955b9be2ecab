"""Finding ONNX Runtime, counting cores, choosing devices; and the two ways into a session give the same."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

import dccausal
from dccausal._shared.cores import count_cores
from dccausal.errors import DeviceError, ModelError, OptionError
from dccausal.inputs.preprocess import Preprocess
from dccausal.onnx.classifier import OnnxClassifier
from dccausal.onnx.model_file import ModelFile
from dccausal.onnx.reading.sidecar import Sidecar
from dccausal.onnx.reading.trial import Request, read_model
from dccausal.onnx.running.device import CPU, CUDA, Device, choose_device, open_session
from dccausal.onnx.running.runner import BoundEngine, HostEngine
from dccausal.onnx.running.runtime import find_runtime
from dccausal.onnx.running.session import open_model
from small_models import build, expected, images, softmax

X = images(7)
HAS_CUDA = CUDA in ort.get_available_providers()
needs_cpu_build = pytest.mark.skipif(HAS_CUDA, reason="this build of ONNX Runtime has CUDA")


def is_cuda_there():
    try:
        OnnxClassifier(build(), device="cuda")
    except DeviceError:
        return False
    return True


CUDA_IS_THERE = is_cuda_there()
needs_no_cuda = pytest.mark.skipif(CUDA_IS_THERE, reason="CUDA is really there")


_TRY = """
import json, sys
from dccausal.onnx import OnnxClassifier
from dccausal.errors import RuntimeMissingError
try:
    OnnxClassifier("model.onnx")
except RuntimeMissingError as error:
    print(json.dumps([str(error), isinstance(error, ImportError), "onnxruntime" in sys.modules]))
"""


def try_in(folder, *packages):
    """Load a model in an interpreter that sees only the standard library and these packages."""
    site = Path(sysconfig.get_path("purelib"))
    for name in packages:
        for found in [*site.glob(name), *site.glob(f"{name}.libs")]:
            (folder / found.name).symlink_to(found)
    (folder / "dccausal").symlink_to(Path(dccausal.__file__).parent)
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-S", "-c", _TRY]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    return json.loads(done.stdout)


def test_without_a_runtime_the_error_names_both_extras(tmp_path):
    text, is_import_error, _ = try_in(tmp_path, "numpy", "PIL", "pillow")
    assert text == (
        "ONNX Runtime is not installed; one of its two builds is needed: "
        'pip install "dccausal[cpu]" or, for CUDA, pip install "dccausal[gpu]"'
    )
    assert is_import_error


def test_a_runtime_that_does_not_load(tmp_path):
    (tmp_path / "onnxruntime").mkdir()
    (tmp_path / "onnxruntime" / "__init__.py").write_text(
        "raise ImportError('libonnxruntime.so is not there')"
    )
    text, _, _ = try_in(tmp_path, "numpy", "PIL", "pillow")
    assert text.startswith("onnxruntime is installed but cannot be loaded (libonnxruntime.so is not there)")
    (tmp_path / "onnxruntime" / "__init__.py").write_text("import no_such_dependency")
    (tmp_path / "dccausal").unlink()
    text, _, _ = try_in(tmp_path)
    assert text == "onnxruntime cannot be loaded: No module named 'no_such_dependency'"


def test_with_both_runtimes_the_error_says_how_to_mend_it(tmp_path):
    for name, version in (("onnxruntime", "1.31.0"), ("onnxruntime_gpu", "1.32.0")):
        info = tmp_path / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    text, _, is_imported = try_in(tmp_path, "numpy", "PIL", "pillow")
    assert text == (
        "onnxruntime 1.31.0 and onnxruntime-gpu 1.32.0 are installed together and overwrite each other's "
        "files; exactly one is needed: pip uninstall onnxruntime onnxruntime-gpu, "
        'then pip install "dccausal[cpu]" or "dccausal[gpu]"'
    )
    assert not is_imported


def test_the_runtime_of_the_tests_is_found():
    assert find_runtime() is ort


def test_importing_the_classifier_imports_no_runtime():
    code = "import sys, dccausal.onnx; print({'onnxruntime', 'onnx'} & set(sys.modules))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "set()"


# Cores


def groups(root, files):
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return count_cores(root)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system has no affinities")
def test_cores_follow_the_affinity(tmp_path):
    allowed = os.sched_getaffinity(0)
    assert count_cores(tmp_path) == len(allowed)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert count_cores(tmp_path) == 1
        assert OnnxClassifier(build()).threads == 1
    finally:
        os.sched_setaffinity(0, allowed)


N_CORES = count_cores(Path("/nowhere"))


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "101000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "nonsense\n"}, None),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "100000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "100000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/gone\n", "sys/fs/cgroup/cpu.max": "100000 100000\n"}, 1),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/cpu.max": "100000 100000\n",
                "sys/fs/cgroup/a/b/cpu.max": "900000 100000\n",
            },
            1,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/m\n3:cpu,cpuacct:/c\n0::/\n",
                "sys/fs/cgroup/cpu/c/cpu.cfs_quota_us": "100000\n",
                "sys/fs/cgroup/cpu/c/cpu.cfs_period_us": "100000\n",
            },
            1,
        ),
        (
            {
                "proc/self/cgroup": "1:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
    ],
)
def test_cores_are_limited_by_the_control_group(tmp_path, files, quota):
    assert groups(tmp_path, files) == min(N_CORES, quota or N_CORES)


# Devices


@needs_cpu_build
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:1"])
def test_cuda_that_is_not_built_in_is_an_error(device):
    with pytest.raises(DeviceError, match=rf"device '{device}' was asked for, but .* has only .*{CPU}.*gpu"):
        OnnxClassifier(build(), device=device)


@pytest.mark.skipif(not HAS_CUDA, reason="this build of ONNX Runtime has no CUDA")
@needs_no_cuda
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:1"])
def test_cuda_that_does_not_load_is_an_error(device):
    with pytest.raises(DeviceError, match=rf"cuda:\d was asked for, but {CUDA} did not load .*are needed"):
        OnnxClassifier(build(), device=device)


@pytest.mark.parametrize("device", ["gpu", "CUDA", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "", None, 0])
def test_unknown_devices(device):
    with pytest.raises(OptionError, match=rf'device is {device!r}; "auto", "cpu", "cuda" or "cuda:1"'):
        OnnxClassifier(build(), device=device)


@needs_cpu_build
def test_auto_is_the_cpu_where_there_is_nothing_else(caplog):
    classifier = OnnxClassifier(build())
    assert (classifier.device, classifier.device_note) == ("cpu", None)
    assert not caplog.records


def test_a_cuda_device_is_asked_for_with_its_options():
    build_has = [CUDA, CPU]
    device = choose_device(build_has, "cuda:3", None)
    assert (device.name, device.provider, device.cuda_index, device.may_fall_back) == (
        "cuda:3",
        CUDA,
        3,
        False,
    )
    assert device.providers[0][1]["device_id"] == 3
    assert device.providers[1] == CPU
    assert choose_device(build_has, "auto", None).may_fall_back
    assert choose_device(build_has, "cuda", None).name == "cuda:0"
    assert choose_device(build_has, "cpu", None).providers == (CPU,)
    own = choose_device(build_has, "auto", [(CUDA, {"device_id": "2"}), CPU])
    assert (own.name, own.providers[0], own.may_fall_back) == ("cuda:2", (CUDA, {"device_id": "2"}), False)


@needs_no_cuda
@pytest.mark.filterwarnings("ignore:Specified provider:UserWarning")
def test_a_provider_that_does_not_load_is_an_error():
    wanted = Device("cuda:0", ((CUDA, {"device_id": 0}), CPU))
    with pytest.raises(DeviceError, match=f"but {CUDA} did not load and ONNX Runtime chose {CPU}"):
        open_session(ort, build(), wanted, 1)
    with pytest.raises(DeviceError, match="cuda:0 was asked for"):
        open_model(ort, ModelFile.read(build()), wanted, 1)


@needs_no_cuda
@pytest.mark.filterwarnings("ignore:Specified provider:UserWarning")
def test_auto_falls_back_and_says_so_once(caplog):
    wanted = Device("cuda:0", ((CUDA, {"device_id": 0}), CPU), may_fall_back=True)
    with caplog.at_level(logging.WARNING, "dccausal"):
        opened = open_model(ort, ModelFile.read(build()), wanted, 1)
    assert opened.device.name == "cpu"
    assert opened.note.startswith(
        "CUDA could not be used, so the model runs on the CPU: cuda:0 was asked for"
    )
    assert [record.getMessage() for record in caplog.records] == [opened.note]


def test_what_loads_nowhere_is_the_models_fault():
    for fall_back in (True, False):
        wanted = Device("strange", (CPU,), may_fall_back=fall_back)
        with pytest.raises(ModelError, match="the model given as bytes cannot be loaded by ONNX Runtime"):
            open_model(ort, ModelFile.read(b"not a model"), wanted, 1)


def test_providers_are_passed_through():
    for providers in ([CPU], [(CPU, {"arena_extend_strategy": "kSameAsRequested"})], (CPU,)):
        classifier = OnnxClassifier(build(), providers=providers, preprocess="unit")
        assert (classifier.device, classifier.provider) == ("cpu", CPU)
        np.testing.assert_allclose(classifier(X), softmax(expected(X)), atol=1e-6)


def test_unknown_providers():
    with pytest.raises(DeviceError, match=r"RocketExecutionProvider were asked for; this build .* has .*CPU"):
        OnnxClassifier(build(), providers=["RocketExecutionProvider", CPU])
    needed = r"providers is \[\]; a list of at least one provider, by name or \(name, options\), is needed"
    with pytest.raises(OptionError, match=needed):
        OnnxClassifier(build(), providers=[])
    with pytest.raises(OptionError, match="providers is 'CPUExecutionProvider'; a list of at least one"):
        OnnxClassifier(build(), providers=CPU)
    with pytest.raises(OptionError, match="device='cpu' and providers= were both given; one of"):
        OnnxClassifier(build(), device="cpu", providers=[CPU])


# Engines


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_a_bound_buffer_gives_the_same_bytes(dtype, layout):
    file = ModelFile.read(build(dtype=dtype, layout=layout, gain=1 / 255 if dtype == "uint8" else 1))
    opened = open_model(ort, file, choose_device([CPU], "cpu", None), 1)
    preset = Preprocess.preset("raw" if dtype == "uint8" else "unit")
    reading = read_model(opened.session, file, Request(None, None, "auto", preset, None, Sidecar({})))
    host, bound = HostEngine(opened, reading), BoundEngine(opened, reading, len(X), ("cpu", 0))
    for batch in (X, X[::-1], images(7, seed=9)):
        tensor = reading.encode(batch)
        first = bound(tensor)
        assert first.tobytes() == host(tensor).tobytes()
        bound(reading.encode(images(7, seed=3)))
        assert first.tobytes() == host(tensor).tobytes(), (
            "an answer must not change when the next is computed"
        )


def test_threads_may_share_a_bound_buffer():
    file = ModelFile.read(build())
    opened = open_model(ort, file, choose_device([CPU], "cpu", None), 1)
    reading = read_model(opened.session, file, Request(None, None, "auto", None, None, Sidecar({})))
    bound = BoundEngine(opened, reading, len(X), ("cpu", 0))
    tensors = [reading.encode(images(7, seed=seed)) for seed in range(8)]
    alone = [bound(tensor).tobytes() for tensor in tensors]
    with ThreadPoolExecutor(4) as pool:
        for i, answer in enumerate(pool.map(bound, tensors * 200)):
            assert answer.tobytes() == alone[i % 8]


@pytest.mark.gpu
@pytest.mark.skipif(not CUDA_IS_THERE, reason="there is no CUDA here")
def test_cuda_gives_the_cpus_scores():
    for model in (build(), build(batch=3), build(batch=1), build(dtype="float16"), build(layout="NHWC")):
        on_cuda = OnnxClassifier(model, device="cuda", preprocess="unit")
        assert (on_cuda.provider, on_cuda.device, on_cuda.device_note) == (CUDA, "cuda:0", None)
        on_cpu = OnnxClassifier(model, device="cpu", preprocess="unit")
        np.testing.assert_allclose(on_cuda(X), on_cpu(X), atol=5e-3)
