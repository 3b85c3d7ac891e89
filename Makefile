# Two commands on a fresh machine: `make demo` and `make test`. Both build the virtual environment on first use.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test check docs clean

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,tracking,features,onnx,tune]'
	touch $@

demo: $(VENV)/.ready  ## the whole way on embedded data: train, generate, evaluate; open demo/report.html afterwards
	$(BIN)/retinasynth demo --out demo

test: $(VENV)/.ready check  ## linters, types and every test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2

check: $(VENV)/.ready  ## linters and types alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.ready  ## the reference pages, from the code
	$(BIN)/python docs/reference.py

clean:
	rm -rf $(VENV) demo
