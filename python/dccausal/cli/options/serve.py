"""The options of the command ``serve``, apart from it, so that the help loads nothing else."""

from __future__ import annotations

from dccausal.cli.options.common import MODEL, OUTPUT, RUNNING, some
from dccausal.cli.options.option import CliOption, Declared

SERVER = (
    CliOption(
        "host",
        str,
        "Where requests are taken; 0.0.0.0 for every address of the machine.",
        "Running",
        "NAME",
        default="127.0.0.1",
    ),
    CliOption("port", int, "Where, too; 0 for any that is free.", "Running", "N", default=8000),
    CliOption("workers", int, "Photographs that are explained at once.", "Running", "N", default=1),
    CliOption("queue", int, "Photographs that wait; more are turned away.", "Running", "N", default=16),
    CliOption(
        "timeout",
        float,
        "Seconds an explanation may take; then the best so far.",
        "Running",
        "S",
        default=60.0,
    ),
    CliOption("max_calls", int, "Model calls an explanation may take.", "Running", "N"),
    CliOption("max_pixels", int, "Pixels of a photograph.", "Running", "N", default=25_000_000),
    CliOption("max_bytes", int, "Bytes of an upload.", "Running", "N", default=25_000_000),
    CliOption(
        "grace",
        float,
        "Seconds that explanations have to end in when the service is stopped.",
        "Running",
        "S",
        default=20.0,
    ),
)

COMMAND = Declared(
    name="serve",
    help="Serve explanations: an endpoint, and a page on which to drop a photograph.",
    options=(
        *MODEL,
        *SERVER,
        *some(RUNNING, "device", "providers", "batch_size", "reproducible"),
        *OUTPUT,
    ),
    epilog=(
        "GET / is the page, POST /v1/explanations the endpoint; there are /healthz, /readyz, /metrics and "
        "/openapi.json too. DCCAUSAL_API_KEY in the environment is what requests then have to bring. SIGTERM and "
        "Ctrl-C let what is under way end."
    ),
)
