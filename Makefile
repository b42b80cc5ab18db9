# Build and test the chapter. `make help` lists the targets.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SITE := _build/html/index.html

.DEFAULT_GOAL := help
.PHONY: help book test lint model bench constraints clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "%-14s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

book: $(VENV)/book.done  ## Build the website
	$(BIN)/jupyter-book build . -W -n --keep-going
	@echo "The book is at file://$(CURDIR)/$(SITE)"

test: $(VENV)/dev.done lint model book  ## Check the code, build the book and run every test
	$(BIN)/pytest --cov --durations=10

lint: $(VENV)/dev.done  ## Check format, style and spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell

model: $(VENV)/book.done  ## Fetch the language model SmolLM2 (93 MB, once)
	$(BIN)/python -m tinytorch.models

bench: $(VENV)/bench.done model  ## Measure speed and memory beside transformers and llama.cpp
	$(BIN)/python -m benchmarks.run

constraints:  ## Write the newest versions that fit together to constraints.txt
	rm -rf $(VENV)-constraints
	$(PYTHON) -m venv $(VENV)-constraints
	$(VENV)-constraints/bin/pip install --quiet -r requirements-dev.txt
	(sed '/^[^#]/,$$d' constraints.txt; $(VENV)-constraints/bin/pip freeze --exclude-editable \
		| grep -vE '^(pip|setuptools)==') > constraints.new
	mv constraints.new constraints.txt
	rm -rf $(VENV)-constraints

clean:  ## Remove what was built (the model stays in the user's cache folder)
	rm -rf _build $(VENV) $(VENV)-constraints *.egg-info .coverage
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV) || (rm -rf $(VENV); exit 1)

$(VENV)/book.done: $(VENV)/bin/python requirements.txt constraints.txt pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
	touch $@

$(VENV)/dev.done: $(VENV)/book.done requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt -c constraints.txt
	touch $@

$(VENV)/bench.done: $(VENV)/book.done benchmarks/requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt -c constraints.txt \
		|| echo "the peers could not be installed: tinytorch is measured alone"
	touch $@
