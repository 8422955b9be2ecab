"""On what a run on Ray is carried out: the cluster, started or joined, and what an actor takes of it."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from dccausal._shared.cores import count_cores
from dccausal.errors import InputError, OptionError, RuntimeMissingError

# Of Ray's store on a machine of its own; the driver sends no photographs.
_STORE_BYTES = 256 << 20
_OLDEST = (2, 40)


@dataclass(frozen=True)
class Cluster:
    """
    On what a run is carried out.

    Attributes
    ----------
    address, actors, actor_cpus, actor_gpus, in_flight_images
        As for ``explain_dataset``.

    """

    address: str | None = None
    actors: int | None = None
    actor_cpus: float = 1.0
    actor_gpus: float = 0.0
    in_flight_images: int | None = None

    def check(self) -> None:
        """
        Check the numbers.

        Raises
        ------
        OptionError
            If one is out of its range.

        """
        if self.actors is not None and self.actors < 1:
            raise OptionError(f"actors is {self.actors}; at least 1 is needed")
        if not (0 < self.actor_cpus <= 1024 and 0 <= self.actor_gpus <= 64):  # noqa: PLR2004
            raise OptionError(
                f"actor_cpus is {self.actor_cpus:g} and actor_gpus {self.actor_gpus:g}; more than 0, and at least 0, "
                "are needed"
            )

    def join(self) -> None:
        """Join the cluster, or start Ray here; raises what ``start_ray`` raises."""
        start_ray(self.address)

    def room(self, spare: int = 0) -> int:
        """
        Return how many actors there are to be.

        Parameters
        ----------
        spare
            CPUs that are to stay free, so that Ray Data can read: 1 where photographs come in its blocks.

        Raises
        ------
        OptionError
            If the cluster has no room for one.

        """
        has = require_ray().cluster_resources()
        fits = int((has.get("CPU", 0) - spare) // self.actor_cpus)
        if self.actor_gpus:
            fits = min(fits, int(has.get("GPU", 0) / self.actor_gpus))
        if fits < 1:
            raise OptionError(
                f"actor_cpus is {self.actor_cpus:g} and actor_gpus {self.actor_gpus:g}, but the cluster has "
                f"{has.get('CPU', 0):g} CPUs and {has.get('GPU', 0):g} GPUs; room for one actor"
                f"{' and a CPU to read with' if spare else ''} is needed"
            )
        return min(self.actors or fits, fits) if spare else self.actors or fits

    @property
    def resources(self) -> dict[str, Any]:
        """What Ray is told that an actor takes."""
        return {"num_cpus": self.actor_cpus, "num_gpus": self.actor_gpus}


def start_ray(address: str | None) -> None:
    """
    Join the cluster at an address, or start Ray on this machine alone; where Ray runs already, it is taken.

    Nothing is told to anybody: Ray's statistics of use are off unless RAY_USAGE_STATS_ENABLED says else.

    Raises
    ------
    RuntimeMissingError
        If Ray is not installed, or too old.
    InputError
        If nothing answers at the address, or another version does.

    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault(
        "RAY_worker_niceness", "0"
    )  # Ray's 15 is for machines that serve somebody else as well
    ray = require_ray()
    where = address or os.environ.get("RAY_ADDRESS")
    if where:
        _check_answers(where)
    if ray.is_initialized():
        return
    quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    try:
        if where:
            ray.init(address=where, **quiet)
        else:
            ray.init(
                num_cpus=count_cores(), object_store_memory=_STORE_BYTES, include_dashboard=False, **quiet
            )
    except Exception as error:
        text = " ".join(str(error).split())[:300]
        raise InputError(
            f"Ray {ray.__version__} cannot be started or joined at {where or 'this machine'} ({text}); a running "
            "cluster of the same versions of Ray and Python is needed"
        ) from error


def require_ray() -> Any:
    """
    Return the module ray.

    Raises
    ------
    RuntimeMissingError
        If it is not installed, or too old.

    """
    install = 'pip install "dccausal[ray]"'
    try:
        import ray
    except ImportError as error:
        raise RuntimeMissingError(f"Ray is not installed; a run on a cluster needs it: {install}") from error
    version = tuple(int(part) for part in ray.__version__.split(".")[:2] if part.isdecimal())
    if version < _OLDEST:
        raise RuntimeMissingError(f"Ray {ray.__version__} is installed; 2.40 or later is needed: {install}")
    return ray


def _check_answers(address: str) -> None:
    """Check that something listens at HOST:PORT, which Ray itself would wait for."""
    if address in ("auto", "local"):
        return
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port:
        raise OptionError(
            f"address is {address!r}; auto, or HOST:PORT of a running cluster of Ray's is needed"
        )
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError as error:
        raise InputError(
            f"address {address} does not answer ({error.strerror or error}); a running cluster of Ray's is needed"
        ) from error
