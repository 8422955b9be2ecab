# make demo    explain a photograph, pictures in demo/
# make test    the tests, without the slow ones
# make slow    the slow tests: the packaged photograph through the packaged model
# make lint    formats, lints and types of both languages
# make docs    the documentation, in site/
# make bench   the core's benchmarks
# Each makes the environment in $(VENV) first, where it is missing or older than what it is made from.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
RUST = $(shell find rust -name '*.rs')

.PHONY: demo test slow lint docs bench clean

demo: $(VENV)/made
	$(BIN)/dccausal demo --out demo

test: $(VENV)/made
	$(BIN)/python -m pytest -n $(JOBS) -m "not slow" --dist worksteal -q

slow: $(VENV)/made
	$(BIN)/python -m pytest -n $(JOBS) -m slow --dist worksteal -q

lint: $(VENV)/made
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo clippy --features python -- -D warnings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest dccausal._core

docs: $(VENV)/made
	$(BIN)/python -m pip install --quiet -e '.[docs]'
	$(BIN)/mkdocs build --strict

bench:
	cargo bench

clean:
	rm -rf $(VENV) target site dist demo

$(VENV)/made: pyproject.toml Cargo.toml Cargo.lock $(RUST)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[test]'
	@touch $@
