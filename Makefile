# Two commands are all a user needs: `make run` and `make test`. Everything lives in .venv; nothing is installed outside.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/installed
# Most tests wait for processes and sockets, so a few at once finish sooner even on two cores.
TESTS_AT_ONCE ?= 3

.PHONY: help install run test test-all bench lock clean

help:
	@echo 'make run       start a node (creates .venv and installs first)'
	@echo 'make test      lint, types and tests'
	@echo 'make test-all  the same, with the heavy suites'
	@echo 'make bench     measure, against nginx where it is installed; writes bench/latest.html'
	@echo 'make install   only create .venv and install'
	@echo 'make clean     remove what these commands made, except the data of a node'

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo 'This Python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
	@test -x $(BIN)/python || { echo 'Creating $(VENV)'; $(PYTHON) -m venv $(VENV); }
	@echo 'Installing the locked dependencies'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: install
	@exec $(BIN)/idnode serve

test: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n $(TESTS_AT_ONCE) --dist worksteal -m "not slow"

test-all: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n $(TESTS_AT_ONCE) --dist worksteal --cov --cov-report=term:skip-covered

bench: install
	$(BIN)/python -m loadtest.bench

# For developers, after a change of the dependencies in pyproject.toml. Needs uv; users do not.
lock:
	printf 'hatchling\neditables\n' | $(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 \
	  --extra dev --no-emit-index-url --no-header --no-annotate --output-file requirements.lock pyproject.toml -

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage htmlcov dist bench/work
