# The two commands of the README: `make sweep` and `make test`. Both set up .venv by themselves.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: sweep test check lint bench gpu slow long faults chaos soak fuzz audit clean

sweep: $(READY)
	$(BIN)/python -m dpo_ray.sweep search_spaces/beta.yaml

test: check
	$(BIN)/python -m pytest

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python -m benchmarks

# Whole sweeps, clusters and browsers.
slow: $(READY)
	$(BIN)/python -m pytest -m "slow and not long"

# Tests of many minutes, but for the faults.
long: $(READY)
	$(BIN)/python -m pytest -m "long and not injects"

# Every fault a sweep must survive, injected for real, and a table of them; `make test` runs the quick ones.
# One that is skipped fails it as well.
faults: $(READY)
	EVERY_FAULT=1 $(BIN)/python -m pytest -m "injects" tests/faults

# A sweep of 40 trials under random kills for 20 minutes.
chaos: $(READY)
	$(BIN)/python -m tests.faults.chaos

# 500 trials in one slot: memory, open files and Ray's objects must stay flat.
soak: $(READY)
	$(BIN)/python -m tests.faults.soak

# Ten thousand made and mutated files for each reader; `make test` tries a few hundred.
fuzz: $(READY)
	FUZZ_PROFILE=fuzz $(BIN)/python -m pytest --durations=0 tests/fuzz

# Known vulnerabilities of the pinned packages, less those waived with a reason.
audit: $(READY)
	$(BIN)/python .ci/audit.py

# What only a machine with CUDA can show; elsewhere each test is skipped and says why.
gpu: $(READY)
	$(BIN)/python -m pytest -m gpu -rs tests/gpu

clean:
	rm -rf .venv store

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable '.[dev]'
	touch $(READY)
