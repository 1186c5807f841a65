# Each target works alone on a machine with python3.11+, venv and make.
SHELL := /bin/bash
PYTHON ?= python3
UV_PIN := 0.13.8
SBOM_PIN := 7.5.0
AUDIT_PIN := 2.10.1
TWINE_PIN := 6.2.0
export UV_PYTHON_DOWNLOADS := never
export PYTHONDONTWRITEBYTECODE :=

UV := .uv/bin/uv
BIN := .venv/bin
STAMP := .venv/.ready
SITE := artefacts/docs/index.html

.PHONY: setup demo test test-official check notebooks browser lab app bench fuzz lock \
	clean docs pictures screenshots sbom audit test-lowest test-python release-check

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
	$(BIN)/pytest -q -n 3 --dist loadfile -m "not browser and not slow" --durations=25 \
		tests --doctest-modules holdings_kit widgets notebooks/training/grader \
		--doctest-glob="*.md" README.md docs/events.md docs/hosts.md docs/service.md \
		docs/tasks.md docs/start

# Every notebook runs from top to bottom; stored outputs are compared.
notebooks: setup
	$(BIN)/pytest -q -n 2 --dist loadfile --nbval --nbval-current-env \
		--nbval-sanitize-with=notebooks/sanitize.cfg --nbval-cell-timeout=60 notebooks

# Real Chromium: the system's, else Playwright's own; CI=true makes its absence fail.
browser: setup $(SITE)
	@test -n "$$CHROMIUM" || command -v chromium >/dev/null \
		|| timeout 300 $(BIN)/playwright install chromium || true
	$(BIN)/pytest -q -n 2 --dist loadfile -m browser tests/browser

# The two pictures of the README, from the demo's report and the explorer's test.
pictures: demo
	$(BIN)/pytest -q -m browser tests/browser/test_tools.py -k sliders
	$(BIN)/python -m benchmarks.make_pictures

# Every screen at two widths, light and dark, in artefacts/gallery, and axe on each.
screenshots: docs
	GALLERY=1 $(BIN)/pytest -q -m browser tests/browser/test_gallery.py

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

lab: setup $(SITE)
	$(BIN)/holdings-kit lab

app: setup
	$(BIN)/holdings-kit app

# SCALE=small takes about a minute, SCALE=full hours; ONLY="questions cluster" some.
bench: setup
	$(BIN)/python -m benchmarks.run --scale $(or $(SCALE),small) $(if $(ONLY),--only $(ONLY))

# 21,000 damaged payloads and files into each reader, 42,000 damaged lines that the quick
# reader and the strict one must read alike, 7,000 cases of any bytes at all.
fuzz: setup
	FUZZ_READERS=21000 $(BIN)/pytest -q -n 2 tests/read/test_fuzz.py
	FUZZ_LINES=42000 $(BIN)/pytest -q -n 2 tests/wire/test_both_readers.py
	HYPOTHESIS_PROFILE=random FUZZ_CASES=7000 $(BIN)/pytest -q -n 2 \
		tests/wire/test_any_bytes.py tests/market/test_any_exchange_bytes.py

lock: $(UV)
	$(UV) pip compile pyproject.toml --all-extras --group dev --universal --quiet \
		--no-emit-index-url --no-annotate --no-header --generate-hashes \
		--output-file requirements.lock

# What is in the lock, as CycloneDX JSON: artefacts/sbom.json.
sbom: $(UV)
	mkdir -p artefacts
	$(UV) tool run --quiet --from cyclonedx-bom==$(SBOM_PIN) cyclonedx-py requirements \
		--pyproject pyproject.toml --mc-type library --output-reproducible \
		--of JSON --output-file artefacts/sbom.json requirements.lock
	@echo "artefacts/sbom.json: $$(grep -c '"bom-ref": "requirements-L' artefacts/sbom.json) packages"

# Known vulnerabilities of what is locked. Fails where they cannot be looked up, unless
# AUDIT_OFFLINE=1 accepts that.
audit: $(UV)
	$(PYTHON) .ci/audit.py requirements.lock -- \
		$(UV) tool run --quiet pip-audit==$(AUDIT_PIN)

# The unit tests and doctests of `make check`. Old packages may warn: only failures count
# here. ROOMS="wire store" takes those rooms alone, without doctests.
UNIT := -m pytest -q -n 2 --dist loadfile -m "not browser and not slow" \
	-o filterwarnings=default -p no:cacheprovider $(or $(ROOMS:%=tests/%),tests)
DOCTESTS := $(if $(ROOMS),-c "",-m pytest -q -o filterwarnings=default \
	-p no:cacheprovider --doctest-modules holdings_kit widgets)

# With the lowest version of each package that pyproject.toml allows.
test-lowest: $(UV)
	mkdir -p artefacts
	$(UV) pip compile pyproject.toml --all-extras --group test --group bench --quiet \
		--resolution lowest-direct --python-version 3.11 --no-emit-index-url \
		--no-annotate --no-header --output-file artefacts/lowest.txt
	$(UV) venv --quiet --clear --python $(PYTHON) artefacts/lowest
	$(UV) pip sync --quiet --python artefacts/lowest artefacts/lowest.txt
	$(UV) pip install --quiet --python artefacts/lowest --no-deps --editable .
	artefacts/lowest/bin/python $(UNIT)
	artefacts/lowest/bin/python $(DOCTESTS)

# With another Python: make test-python PY=python3.13, or the path of one.
PY ?= python3.13
test-python: $(UV)
	@"$(PY)" -c "" 2>/dev/null || { echo "NOT TESTED: there is no $(PY) here"; exit 2; }
	$(UV) venv --quiet --clear --python "$$(command -v $(PY))" artefacts/python
	$(UV) pip sync --quiet --python artefacts/python requirements.lock
	$(UV) pip install --quiet --python artefacts/python --no-deps --editable .
	artefacts/python/bin/python $(UNIT)
	artefacts/python/bin/python $(DOCTESTS)

# Wheel and sdist: metadata, README, and each used from an empty environment.
release-check: setup
	rm -rf dist && mkdir -p artefacts
	$(BIN)/python -m build --no-isolation --outdir dist . >artefacts/build.log
	$(UV) tool run --quiet twine==$(TWINE_PIN) check --strict dist/*
	$(PYTHON) .ci/release.py $(UV) $(PYTHON) dist/*.whl dist/*.tar.gz

clean:
	rm -rf .venv .uv dist artefacts

# The documentation as static pages in artefacts/docs; a broken link fails.
docs: setup
	rm -rf artefacts/docs artefacts/docs-source
	mkdir -p artefacts/docs-source/benchmarks
	cp -r docs/. notebooks CHANGELOG.md artefacts/docs-source/
	cp benchmarks/RESULTS.md artefacts/docs-source/benchmarks/
	cp holdings_kit/display/{tokens.css,mark.svg} artefacts/docs-source/static/
	$(BIN)/sphinx-build --quiet --nitpicky --fail-on-warning --keep-going \
		artefacts/docs-source artefacts/docs
	@echo "open artefacts/docs/index.html"

$(SITE): | $(STAMP)
	$(MAKE) docs
