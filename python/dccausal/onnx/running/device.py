"""The device that was asked for, and a session that really runs there."""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dccausal._shared.text import shown
from dccausal.errors import DeviceError, OptionError
from dccausal.onnx.running.runtime import Arrangement, arrange

Provider = str | tuple[str, dict[str, Any]]

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"

_log = logging.getLogger("dccausal")

_WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"
_FATAL = 4  # everything less is raised as an exception too, and would be printed besides


_CUDA_OPTIONS = {
    # An exhaustive search would be repeated for every new shape and gives other kernels from run to run.
    "cudnn_conv_algo_search": "HEURISTIC",
    # The default doubles the arena; a batch has one size, so nothing is gained by it.
    "arena_extend_strategy": "kSameAsRequested",
}
# TF32 has 10 bits of mantissa where float32 has 23. The default algorithm is one and the same for every shape.
_CUDA_REPRODUCIBLE = {"use_tf32": 0, "cudnn_conv_algo_search": "DEFAULT"}


@dataclass(frozen=True)
class Device:
    """
    Where a model shall run, as the options say it.

    Attributes
    ----------
    name
        "cpu", "cuda:0", or a provider's name in lower case where ``providers=`` was given.
    providers
        What ONNX Runtime is handed, in its order of preference.
    may_fall_back
        True for "auto" on a build with CUDA: a CPU session will do where CUDA does not load.
    reproducible
        Whether operations are to be those that give the same bits every time.
    many
        Whether there are always images enough for full batches.

    """

    name: str
    providers: tuple[Provider, ...]
    may_fall_back: bool = False
    reproducible: bool = False
    many: bool = False

    @property
    def provider(self) -> str:
        """Name of the provider that has to come first in the session."""
        first = self.providers[0]
        return first if isinstance(first, str) else first[0]

    @property
    def cuda_index(self) -> int | None:
        """The CUDA device's number; None on anything else."""
        return int(self.name.partition(":")[2]) if self.name.startswith("cuda:") else None

    @property
    def on_cpu(self) -> Device:
        """The CPU, to the same end."""
        return Device("cpu", (CPU,), reproducible=self.reproducible, many=self.many)

    def arrange(self, threads: int) -> Arrangement:
        """Return how the session uses threads of the host: on the CPU, all of them."""
        if self.cuda_index is not None:
            return Arrangement(1, 1)
        if self.name != "cpu":
            return Arrangement(1, threads)
        found = arrange(threads, is_full=self.many or self.reproducible)
        # A sum that threads share comes out otherwise for another number of them.
        return Arrangement(found.runs, 1) if self.reproducible else found


def choose_device(
    available: Sequence[str],
    device: str,
    providers: Sequence[Provider] | None,
    *,
    reproducible: bool = False,
) -> Device:
    """
    Turn the options ``device``, ``providers`` and ``reproducible`` into what a session is asked for.

    ``available`` are the execution providers that this build of ONNX Runtime has.

    Raises
    ------
    OptionError
        If the device's name is unknown, or both options are given.
    DeviceError
        If this build of ONNX Runtime does not have the provider.

    """
    if providers is not None:
        if device != "auto":
            raise OptionError(f"device={device!r} and providers= were both given; one of them is needed")
        return _from_providers(providers, available, reproducible=reproducible)
    kind, _, number = device.partition(":") if isinstance(device, str) else ("", "", "")
    if device == "cpu" or (device == "auto" and CUDA not in available):
        return Device("cpu", (CPU,), reproducible=reproducible)
    if device != "auto" and (kind != "cuda" or not (number.isdecimal() or device == "cuda")):
        raise OptionError(f'device is {device!r}; "auto", "cpu", "cuda" or "cuda:1" (a number) is needed')
    if CUDA not in available:
        raise DeviceError(
            f"device {device!r} was asked for, but this build of ONNX Runtime has only "
            f"{', '.join(available)}; one with CUDA is needed: "
            'pip uninstall onnxruntime, then pip install "dccausal[gpu]"'
        )
    index = int(number or 0)
    options = {"device_id": index, **_CUDA_OPTIONS, **(_CUDA_REPRODUCIBLE if reproducible else {})}
    return Device(
        f"cuda:{index}", ((CUDA, options), CPU), may_fall_back=device == "auto", reproducible=reproducible
    )


def _from_providers(providers: Sequence[Provider], available: Sequence[str], *, reproducible: bool) -> Device:
    try:
        listed: tuple[Provider, ...] = tuple(
            p if isinstance(p, str) else (p[0], dict(p[1])) for p in providers
        )
    except (TypeError, ValueError, LookupError):
        listed = ()
    if not listed or isinstance(providers, str):
        raise OptionError(
            f"providers is {shown(providers)}; a list of at least one provider, by name or (name, options), is needed"
        )
    names = [p if isinstance(p, str) else p[0] for p in listed]
    missing = [name for name in names if name not in available]
    if missing:
        raise DeviceError(
            f"providers {', '.join(missing)} were asked for; "
            f"this build of ONNX Runtime has {', '.join(available)}"
        )
    short = names[0].removesuffix("ExecutionProvider").lower()
    if names[0] == CUDA:
        options = listed[0][1] if isinstance(listed[0], tuple) else {}
        short = f"cuda:{int(options.get('device_id', 0))}"
    if reproducible:
        listed = tuple(_without_tf32(provider) for provider in listed)
    return Device(short, listed, reproducible=reproducible)


def _without_tf32(provider: Provider) -> Provider:
    name, options = (provider, {}) if isinstance(provider, str) else provider
    return (name, {**options, **_CUDA_REPRODUCIBLE}) if name == CUDA else provider


def open_session(
    ort: Any, model: str | bytes, device: Device, threads: int, folder: Path | None = None
) -> Any:
    """
    Open a session that runs on ``device`` and says so truly; whatever ONNX Runtime raises passes through.

    ``folder`` is where the weights lie that a model given as bytes keeps in other files.

    Raises
    ------
    DeviceError
        If the session was opened, but not on the device: its libraries do not load.

    """
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL
    options.inter_op_num_threads = 1
    runs, options.intra_op_num_threads = device.arrange(threads)
    if runs > 1:  # threads that spin while they wait would take the cores from the other runs
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if folder is not None and isinstance(model, bytes):
        options.add_session_config_entry(_WEIGHTS_FOLDER, str(folder))
    options.use_deterministic_compute = device.reproducible
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    missing = _preload_cuda(ort) if device.cuda_index is not None else ""
    session = ort.InferenceSession(model, options, providers=list(device.providers), enable_fallback=0)
    session.disable_fallback()
    first = session.get_providers()[0]
    if first != device.provider:
        raise DeviceError(
            f"{device.name} was asked for, but {device.provider} did not load and ONNX Runtime chose "
            f"{first}{missing}; the provider's libraries and its device are needed"
        )
    if device.cuda_index is not None and not _has_cudnn():
        raise DeviceError(
            f"{device.name} was asked for, but cuDNN 9 does not load and most of the model would run on the "
            'CPU; pip install "dccausal[gpu]" brings it'
        )
    return session


def _preload_cuda(ort: Any) -> str:
    """
    Load CUDA and cuDNN from the packages of the extra `gpu`.

    Returns
    -------
    str
        " (...)" with the libraries that were not found; what else ONNX Runtime prints goes to the log.

    """
    preload = getattr(ort, "preload_dlls", None)
    if preload is None:
        return ""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        preload()
    lines = printed.getvalue().splitlines()
    for line in lines:
        _log.debug("onnxruntime: %s", line)
    missing = [line.split(": ")[0] for line in lines if line.startswith("Failed to load ")]
    return f" ({'; '.join(missing)})" if missing else ""


def _has_cudnn() -> bool:
    """Return whether cuDNN loads: since 1.31 CUDA starts without it and leaves convolutions to the CPU."""
    try:
        ctypes.CDLL("cudnn64_9.dll" if sys.platform == "win32" else "libcudnn.so.9")
    except OSError:
        return False
    return True
