# `make run` and `make test` set up all they need; both work on a fresh machine.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
READY := $(VENV)/ready
PYTEST := $(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder --durations 20

# The first Python that TensorFlow has wheels for and that can make a virtual environment.
FIND_PYTHON = for python in $$PYTHON python3.12 python3.11 python3.13 python3 python; do \
	  "$$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	    >/dev/null 2>&1 && { echo "$$python"; exit 0; }; \
	done; \
	echo "make: no Python 3.11, 3.12 or 3.13 with venv was found; install one, or name it: make PYTHON=/path/to/python" >&2; \
	exit 1

.PHONY: run up down status notebook test test-all test-slow test-faults lint types imports venv lock clean

run: venv  ## run the nightly job: corpus, tokens, model, evaluation, predictions
	@$(BIN)/headlines nightly

up: venv  ## start a persistent Prefect server and worker, deploy prefect.yaml
	@$(BIN)/headlines up

down: venv  ## stop what `make up` started
	@$(BIN)/headlines down

status: venv  ## show server, schedule, worker, last night and alerts
	@$(BIN)/headlines status

notebook: venv  ## open docs/lstm_by_hand.ipynb in JupyterLab, which is installed the first time
	@$(BIN)/python -c 'import jupyterlab' 2>/dev/null || \
	  $(PIP) install --no-deps --require-hashes -r requirements-notebook.lock
	@$(BIN)/jupyter lab --ip 127.0.0.1 docs/lstm_by_hand.ipynb

test: venv  ## run the tests that need no server, in two processes
	@$(PYTEST)

test-all: venv  ## run the tests with servers, clusters, buckets and faults
	@$(PYTEST) -m "integration and not slow"

test-slow: venv  ## run the tests that take minutes
	@$(BIN)/pytest -q -m slow

test-faults: venv  ## run hundreds of kills, failing writes, corruptions and races
	@$(BIN)/pytest -q -m faults

lint: venv
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: venv
	@$(BIN)/mypy

imports: venv  ## check that imports go downwards only
	@$(BIN)/lint-imports

# .venv is stale if it was made from another lock file: contents are compared, not dates.
venv:
	@cmp -s requirements.lock $(READY) || $(MAKE) --no-print-directory $(VENV)
	@$(MAKE) --silent --no-print-directory $(VENV)/kernel

.PHONY: $(VENV)
$(VENV):
	@python=$$($(FIND_PYTHON)) || exit 1; \
	echo "make: $(VENV) from requirements.lock with $$python (some minutes)"; \
	rm -rf $(VENV) && "$$python" -m venv $(VENV)
	@$(PIP) install --no-deps --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@cp requirements.lock $(READY)

# The scorer's kernel, compiled again after a change. An old one must not outlive its source.
$(VENV)/kernel: setup.py $(wildcard lstm_model/_kernel*.[ch])
	@rm -f lstm_model/_kernel*.so
	@$(BIN)/python setup.py --quiet build_ext --inplace --force >/dev/null 2>&1
	@ls lstm_model/_kernel*.so >/dev/null 2>&1 || \
	  echo "make: the scorer's kernel was not compiled (no C compiler?): NumPy scores, more slowly" >&2
	@touch $@

lock:  ## pin the newest versions that pyproject.toml allows
	@uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 \
	  --all-extras --upgrade pyproject.toml -o requirements.lock > /dev/null
	@uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 \
	  --group notebook --constraint requirements.lock -o requirements-notebook.lock > /dev/null

clean:
	rm -rf $(VENV) build *.egg-info lstm_model/_kernel*.so .mypy_cache .ruff_cache .pytest_cache .hypothesis
