# The commands of the project; scripts/dev.py holds them once, for every platform.
# make help lists them. TORCH_ARGS="torch==2.13.0 --index-url ..." chooses another torch.

PYTHON ?= python3
TASKS = train test check parity parity-long mutations soak bench bench-learning clients train-mojo bench-mojo test-mojo web-module docs build wheel doctor

.PHONY: help $(TASKS)

help:
	@$(PYTHON) scripts/dev.py --help

$(TASKS):
	@$(PYTHON) scripts/dev.py $@
