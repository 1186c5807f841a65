# Each target works alone on a machine with python3.11+, venv and make.
SHELL := /bin/bash
PYTHON ?= python3
UV_PIN := 0.13.8
export UV_PYTHON_DOWNLOADS := never
export PYTHONDONTWRITEBYTECODE :=

UV := .uv/bin/uv
BIN := .venv/bin
STAMP := .venv/.ready

.PHONY: setup demo test check lab app notebooks bench lock clean

setup: $(STAMP)

$(UV):
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_PIN)"

$(STAMP): requirements.lock pyproject.toml | $(UV)
	test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	$(UV) pip sync --quiet --python .venv requirements.lock
	$(UV) pip install --quiet --python .venv --no-deps --editable .
	touch $@

demo: setup
	$(BIN)/holdings-kit demo

# The quick half of `make test`: format, lint, types, unit tests and doctests.
check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/pytest -q -n 2 -m "not browser and not slow"
	$(BIN)/pytest -q --doctest-modules holdings_kit --doctest-glob=README.md README.md

test: check

lock: $(UV)
	$(UV) pip compile pyproject.toml --all-extras --group dev --universal --quiet \
		--no-emit-index-url --no-annotate --no-header --output-file requirements.lock

clean:
	rm -rf .venv .uv dist artefacts
