# `make demo`: complete videos with the shipped model and compare four modes. `make test`: all tests but the longest
# runs and the faults on a SLURM cluster; `make faults`: these. All set up .venv by themselves, from Python 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin
CORES ?= $(shell nproc)

# The demo's network is too small to keep more than one core, or a GPU, busy.
SIDE_BY_SIDE := --set-threads sample=1 baselines=1 --resources gpu=$(CORES)

.PHONY: demo test faults faults-here faults-cluster lint slurm chromium clean

demo: .venv/ready
	@$(BIN)/snakemake --cores $(CORES) $(SIDE_BY_SIDE) --quiet rules progress host -- all || { \
	  test -z "$$(ls .snakemake/locks 2>/dev/null)" || \
	    echo "If no other call works here, one was killed: $(BIN)/snakemake --unlock, then make demo again"; exit 1; }
	@cat results/comparison.txt
	@echo "all of it, to be opened in a browser: $(CURDIR)/results/report/index.html"

# A process for each core, each of one thread, in the order of the files: long ones with few tests must not come last.
# Tests on the cluster run alone.
test: .venv/ready-test slurm chromium
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(CORES) --dist loadfile --no-loadscope-reorder --ignore tests/faults
	$(BIN)/python -m pytest tests/faults

faults: faults-here faults-cluster

CLUSTER := tests/faults/test_cluster_faults.py tests/faults/test_training_faults.py

faults-here: .venv/ready-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m long -n $(CORES) --dist loadfile $(addprefix --ignore=,$(CLUSTER)) $(ARGS) tests

faults-cluster: .venv/ready-test slurm
	$(BIN)/python -m pytest -m long $(ARGS) $(CLUSTER)

slurm:
	tests/faults/install_slurm.sh

chromium:
	tests/report/install_chromium.sh

lint: .venv/ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint
	$(BIN)/mypy
	$(BIN)/uv lock --check --offline --quiet

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/ready-test: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[test,wandb]'
	touch $@ .venv/ready

clean:
	rm -rf .venv
