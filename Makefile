# make demo        set up and run the study on the embedded data set
# make test        set up and run all tests but the slow ones
# make test-slow   the slow ones

PYTHON ?= python3
BIN := .venv/bin
TOGETHER := OMP_NUM_THREADS=1 $(BIN)/pytest -q --numprocesses 2 --dist loadscope
TYPED := --jaxtyping-packages=mechaug,typechecker.check

.PHONY: demo test test-slow clean

demo: .venv/installed
	$(BIN)/mechaug study --data signs --out runs/demo

# Shapes and types are checked at run time in every test but those that torch.compile must trace. Two processes of one
# thread each: tests are small, and two threads of one process mostly wait for each other.
test: .venv/installed-test
	$(TOGETHER) -m "not slow and not untyped" $(TYPED)
	$(TOGETHER) -m "not slow and untyped"

test-slow: .venv/installed-test
	$(BIN)/pytest -q -m slow

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "mechaug needs Python 3.11 or newer: make demo PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

.venv/installed-test: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@

clean:
	rm -rf .venv runs .pytest_cache .ruff_cache
