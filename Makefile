# `make search` and `make test` do everything on a machine with Python >= 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BUDGET ?= 12

.PHONY: install search test lint tests clean

install: $(VENV)/installed

# --no-compile: Python compiles a module when it is first imported; all 17,000 of them would take a minute.
$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "nas-sr needs Python 3.11 or newer; try: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e '.[dev]'
	@touch $@

search: install
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

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
