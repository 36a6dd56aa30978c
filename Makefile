# `make search` and `make test` do everything on a machine with Python >= 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BUDGET ?= 12

# Python keeps what it compiled, or each of the many processes of a search or of the tests compiles PyTorch anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install search test lint tests test-gpu clean

# What tests read exported files with. Without spandrel's torchvision, whose usual build needs a CUDA build of PyTorch.
READERS := spandrel einops

install: $(VENV)/installed

# What a search needs, without the tools and packages of the tests.
$(VENV)/installed-for-use: NEEDED := .
$(VENV)/installed: NEEDED := .[dev]

# --no-compile: Python compiles a module when it is first imported; all 17,000 of them would take a minute.
# Those that most processes import are compiled here, by one of them.
$(VENV)/installed $(VENV)/installed-for-use: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "nas-sr needs Python 3.11 or newer; try: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e '$(NEEDED)'
	$(if $(findstring dev,$(NEEDED)),$(BIN)/python -m pip install --quiet --no-deps --no-compile -c constraints.txt $(READERS))
	$(BIN)/python -c 'import nas_sr.search.search, nas_sr.report.write'
	@touch $(VENV)/installed-for-use $@

search: $(VENV)/installed-for-use
	$(BIN)/nas-sr search --hw cpu --budget $(BUDGET)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Side by side, because most of linting is one mypy process and much of testing is waiting for other processes.
test: install
	$(MAKE) -j2 lint tests

tests: install
	$(BIN)/pytest -n 3 --dist worksteal

# On a machine with an NVIDIA GPU; installs nothing. PY: a Python that has a CUDA torch and TensorRT or TensorRT for RTX.
PY ?= $(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON))

test-gpu:
	@PYTHONPATH=$(CURDIR)$${PYTHONPATH:+:$$PYTHONPATH} $(PY) -m tests.gpu.here
	PYTHONPATH=$(CURDIR)$${PYTHONPATH:+:$$PYTHONPATH} $(PY) -m pytest -p no:cacheprovider -rsf --durations=10 -m gpu tests/gpu

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
