# `make run` and `make test` do all their own set-up; both work on a fresh machine.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

# The first Python that TensorFlow has wheels for and that can make a virtual environment.
FIND_PYTHON = for python in $$PYTHON python3.12 python3.11 python3.13 python3 python; do \
	  "$$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	    >/dev/null 2>&1 && { echo "$$python"; exit 0; }; \
	done; \
	echo "make: no Python 3.11, 3.12 or 3.13 with venv was found; install one, or name it: make PYTHON=/path/to/python" >&2; \
	exit 1

.PHONY: run up down status test test-slow test-faults lint types imports venv lock clean

run: venv  ## the nightly job: corpus, tokens, model, evaluation, predictions
	@$(BIN)/headlines nightly

up: venv  ## a lasting Prefect server and worker, with prefect.yaml deployed
	@$(BIN)/headlines up

down: venv  ## end what `make up` has started
	@$(BIN)/headlines down

status: venv  ## server, schedule, worker, last night
	@$(BIN)/headlines status

test: venv  ## all tests but the slow ones, in two processes
	@$(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder

test-slow: venv  ## the tests that take minutes
	@$(BIN)/pytest -q -m slow

test-faults: venv  ## kills, failing writes, damage and races by the hundred, and their counts
	@$(BIN)/pytest -q -m faults

lint: venv
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: venv
	@$(BIN)/mypy

imports: venv  ## imports go downwards only
	@$(BIN)/lint-imports

# Stale is what was made from another lock, so the contents are compared and not the dates.
venv:
	@cmp -s requirements.lock $(READY) || $(MAKE) --no-print-directory $(VENV)

.PHONY: $(VENV)
$(VENV):
	@python=$$($(FIND_PYTHON)) || exit 1; \
	echo "make: $(VENV) from requirements.lock with $$python (some minutes)"; \
	rm -rf $(VENV) && "$$python" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@cp requirements.lock $(READY)

lock:  ## pin the newest versions that pyproject.toml admits
	@uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 \
	  --all-extras --upgrade pyproject.toml -o requirements.lock > /dev/null

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
