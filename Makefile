# Two commands on a fresh machine: `make demo` and `make test`. Needs python3 with venv, and make.
# The same in plain pip lines is in README.md.

PYTHON ?= python3
VENV ?= .venv
# The torch to install. `make demo TORCH=torch==2.13.0` picks a release; where an index offers a
# build without CUDA, its name spares several GB.
TORCH ?= torch>=2.7

WANTED := Python 3.10 or newer is needed, such as: make PYTHON=python3.12 demo

BIN := $(VENV)/bin
PLUGINS := $(sort $(dir $(wildcard plugins/*/setup.cfg)))
METADATA := setup.cfg pyproject.toml $(addsuffix setup.cfg,$(PLUGINS))
TRAINED := $(wildcard models/tiny-vit-demo/model.safetensors)
DEMO_MODEL := $(if $(TRAINED),$(dir $(TRAINED)),demo/untrained-model)

# Processes that share the tests; a file's tests stay together, and so do the fixtures that they share.
JOBS ?= 2
PYTEST := $(BIN)/python -m pytest
SHARED_OUT := -n $(JOBS) --dist loadfile

.PHONY: demo test check coverage lint docs faults bench gpu-check clean

# A quarter of the samples are broken on purpose, so the demo lets any share of files fail.
demo: $(VENV)/.demo
	$(BIN)/dfsubmit samples demo/data $(if $(TRAINED),,--untrained-model $(DEMO_MODEL))
	$(BIN)/dfsubmit run demo/data --model $(DEMO_MODEL) --no-fallback --max-failures 100% --report
	$(BIN)/dfsubmit check submission.csv --data demo/data
	@cat submission.csv
	@echo "The run as a page: $(CURDIR)/submission.report.html"

# Each plugin is a distribution of its own and gets a process of its own: a crash in one runtime's
# native code is then told apart from the others.
test: lint
	$(PYTEST) tests $(SHARED_OUT)
	$(foreach plugin,$(PLUGINS),$(PYTEST) $(plugin) &&) true

# Before each commit: everything but the tests that take seconds.
check: lint
	$(PYTEST) tests $(SHARED_OUT) -m "not slow" -q

# What of dfsubmit the tests run, and a floor under it. Counting costs half as much time again, so
# `make test` does without.
coverage: $(VENV)/.dev
	$(PYTEST) tests $(SHARED_OUT) --cov=dfsubmit --cov-report=term

# Damaged media, killed runs, full disks, short clocks, a soak: seeded and counted. Takes long; CI
# runs a short form (tests/test_reliability.py).
faults: $(VENV)/.dev
	$(BIN)/python tests/faults
	$(BIN)/python tests/faults/soak.py

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	$(foreach plugin,$(PLUGINS),MYPYPATH=$(plugin) $(BIN)/mypy $(plugin) &&) true

# The pages as a site, in build/site; a dead link is an error.
docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict

# Every way to run, in turn, on the same files, and what bounds it: make bench MEDIA=folder-of-videos
MEDIA ?= ../shared/data/media/videos
bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.bench $(MEDIA) --out bench-results
	$(BIN)/python -m benchmarks.stages bench-results
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.scaling --out bench-results/scaling

# On a machine with a GPU: parity with the CPU, throughput, memory, fine-tuning, kills; nine minutes.
gpu-check: $(VENV)/.dev
	$(BIN)/python -m benchmarks.gpu_check --out gpu-check

clean:
	rm -rf $(VENV) demo build dist submission.* *.egg-info plugins/*/*.egg-info
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# $(1): what to install. OpenCV's ordinary wheel needs the system's libGL, libxcb and GLib, which
# servers and containers often lack; its headless twin needs none of them and decodes the same.
define install
	@$(PYTHON) --version >/dev/null 2>&1 || { \
	  echo "error: $(PYTHON) was not found; $(WANTED)" >&2; exit 1; }
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10))" || { \
	  echo "error: $$($(PYTHON) --version 2>&1) is too old; $(WANTED)" >&2; exit 1; }
	@$(PYTHON) -c "import venv, ensurepip" 2>/dev/null || { \
	  echo "error: $(PYTHON) has no venv with pip (Debian, Ubuntu: apt install python3-venv)" >&2; \
	  exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip setuptools
	$(BIN)/python -m pip install --quiet "$(TORCH)" $(1)
	@$(BIN)/python -c "import cv2" 2>/dev/null || { \
	  echo "opencv-python cannot be imported here; installing opencv-python-headless instead"; \
	  $(BIN)/python -m pip uninstall --quiet --yes opencv-python && \
	  $(BIN)/python -m pip install --quiet "opencv-python-headless<4.13"; }
	@touch $@
endef

$(VENV)/.demo: setup.cfg pyproject.toml
	$(call install,-e ".[demo]")

$(VENV)/.dev: $(METADATA)
	$(call install,-e ".[dev]" $(foreach plugin,$(PLUGINS),-e $(plugin)))
	@touch $(VENV)/.demo

$(VENV)/.docs: $(VENV)/.demo
	$(BIN)/python -m pip install --quiet -e ".[docs]"
	@touch $@
