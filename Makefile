# Each target works alone on a machine with python3.11+, venv and make.
SHELL := /bin/bash
PYTHON ?= python3
UV_PIN := 0.13.8
export UV_PYTHON_DOWNLOADS := never
export PYTHONDONTWRITEBYTECODE :=

UV := .uv/bin/uv
BIN := .venv/bin
STAMP := .venv/.ready

.PHONY: setup demo test test-official check notebooks browser lab app bench fuzz lock clean docs

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

# The quick half of `make test`: format, lint, types, unit tests, doctests, README.
check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/pytest -q -n 2 --dist loadfile -m "not browser and not slow" tests
	$(BIN)/pytest -q --doctest-modules holdings_kit widgets
	$(BIN)/pytest -q --doctest-glob="*.md" README.md docs/events.md docs/service.md docs/tasks.md

# Every notebook runs from top to bottom; stored outputs are compared.
notebooks: setup
	$(BIN)/pytest -q -n 2 --dist loadfile --nbval --nbval-current-env \
		--nbval-sanitize-with=notebooks/sanitize.cfg --nbval-cell-timeout=60 notebooks

# Real Chromium: the system's, else Playwright's own; CI=true makes its absence fail.
browser: setup
	$(BIN)/pytest -q -m browser tests/browser tests/sandbox/test_browser.py

test: check notebooks docs browser
	@echo "everything passed: lint, types, unit, doctests, README, notebooks, docs, browser"

# The vendor's own client at the oldest version it is promised for, in a venv of its
# own: `make test` runs the newest.
OFFICIAL := artefacts/official-1.2.0
test-official: setup
	test -x $(OFFICIAL)/bin/python || $(UV) venv --quiet --python $(PYTHON) $(OFFICIAL)
	$(UV) pip sync --quiet --python $(OFFICIAL) requirements.lock
	$(UV) pip install --quiet --python $(OFFICIAL) --no-deps --editable .
	$(UV) pip install --quiet --python $(OFFICIAL) "pyarrow-client==1.2.0"
	$(OFFICIAL)/bin/python -m pytest -q tests/clients/test_official.py

lab: setup
	$(BIN)/holdings-kit lab

app: setup
	$(BIN)/holdings-kit app

# SCALE=small takes about a minute, SCALE=full hours; ONLY="questions cluster" some.
bench: setup
	$(BIN)/python -m benchmarks.run --scale $(or $(SCALE),small) $(if $(ONLY),--only $(ONLY))

# 20,000 and more cases of any bytes at all into the readers, and 20,000 damaged lines
# that the quick reader and the strict one must read alike.
fuzz: setup
	FUZZ_LINES=20000 $(BIN)/pytest -q -n 2 tests/wire/test_both_readers.py
	HYPOTHESIS_PROFILE=random FUZZ_CASES=7000 $(BIN)/pytest -q -n 2 tests/wire/test_any_bytes.py

lock: $(UV)
	$(UV) pip compile pyproject.toml --all-extras --group dev --universal --quiet \
		--no-emit-index-url --no-annotate --no-header --generate-hashes \
		--output-file requirements.lock

clean:
	rm -rf .venv .uv dist artefacts

# The documentation as static pages in artefacts/docs; a broken link fails.
docs: setup
	rm -rf artefacts/docs artefacts/docs-source
	mkdir -p artefacts/docs-source/benchmarks
	cp -r docs/. notebooks CHANGELOG.md artefacts/docs-source/
	cp benchmarks/RESULTS.md artefacts/docs-source/benchmarks/
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going \
		artefacts/docs-source artefacts/docs
	@echo "open artefacts/docs/index.html"
