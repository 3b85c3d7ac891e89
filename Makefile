# Two commands on a fresh machine: `make demo` and `make test`. Both build the virtual environment on first use.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test check docs site notebooks torture release-check clean

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docs,tracking,features,onnx,tune,studio,dicom]'
	touch $@

demo: $(VENV)/.ready  ## the whole way on embedded data: train, generate, evaluate; open demo/evaluation/report.html afterwards
	$(BIN)/retinasynth demo --out demo

test: $(VENV)/.ready check  ## linters, types and every test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile

check: $(VENV)/.ready  ## linters and types alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.ready  ## the reference pages, from the code
	$(BIN)/python docs/reference.py

site: $(VENV)/.ready  ## the documentation as web pages; open site/index.html afterwards
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

notebooks: $(VENV)/.ready  ## run the notebooks and keep their outputs
	OMP_NUM_THREADS=1 $(BIN)/python docs/run_notebooks.py

torture: $(VENV)/.ready  ## kill runs, mutate everything that is read, count what goes wrong, in 20 minutes; TORTURE="--only grow" and the like
	PYTHONPATH=tests:tests/helpers $(BIN)/python -m torture --out runs/torture $(TORTURE)

release-check: $(VENV)/.ready  ## build, look into, install elsewhere and try what would be released
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[release]'
	$(BIN)/python .ci/release_check.py

clean:
	rm -rf $(VENV) demo dist site
