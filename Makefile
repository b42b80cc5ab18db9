# Build and test the chapter. `make help` lists the targets.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SITE := _build/html/index.html
PORT ?= 8000
WORKERS ?= 4
QUICK := tests --ignore=tests/browser --ignore=tests/book --ignore=tests/coursework
HUB_PROXY := 5.3.0
TRANSLATED := $(wildcard book/locale/*/LC_MESSAGES/book/*.po)
SERVER_ALONE := -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_OPENSSL=OFF \
	-DLLAMA_USE_PREBUILT_UI=OFF

.DEFAULT_GOAL := help
# Many systems have a variable LANGUAGE: only what make itself is given counts.
ifneq ($(origin LANGUAGE),command line)
LANGUAGE :=
endif
PAGES_OF_LANGUAGE := $(or $(PAGES),$(sort $(notdir $(basename $(TRANSLATED)))))
LANGUAGES := $(or $(LANGUAGE),$(sort $(foreach file,$(TRANSLATED),$(word 3,$(subst /, ,$(file))))))

.PHONY: help book serve lab notebooks paper slides embed links translations test check lint look pictures browser browsers binder-check \
	hub-check dist model wasm bench bench-browser bench-serving bench-grading assignment grade regrade similarity constraints clean
export JUPYTER_PLATFORM_DIRS := 1

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-14s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

book: $(VENV)/book.done model  ## Build the website, or with LANGUAGE=de what is translated of it, to _build/html-de
ifeq ($(LANGUAGE),)
	$(BIN)/jupyter-book build . -W -n --keep-going
	@echo "The book is at file://$(CURDIR)/$(SITE)"
else
	$(BIN)/jupyter-book config sphinx .
	PYTHONPATH=book/_ext $(BIN)/sphinx-build . _build/html-$(LANGUAGE) -d _build/.doctrees-html-$(LANGUAGE) \
		-D language=$(LANGUAGE) -W -n --keep-going
	@echo "The book is at file://$(CURDIR)/_build/html-$(LANGUAGE)/index.html"
endif

translations: $(VENV)/translations.done  ## Bring the pages' translations up to date: make translations LANGUAGE=fr PAGES="intro measure"
	rm -rf _build/gettext
	$(BIN)/jupyter-book config sphinx .
	PYTHONPATH=book/_ext $(BIN)/sphinx-build -b gettext -D nb_execution_mode=off -d _build/.doctrees-gettext \
		. _build/gettext $(PAGES_OF_LANGUAGE:%=book/%.md)
	rm -f _build/gettext/sphinx.pot  # the theme's own words, which Sphinx translates
	$(BIN)/sphinx-intl update -p _build/gettext -d book/locale $(LANGUAGES:%=-l %) --line-width 110

slides: book  ## Build the slides of the lecture; with PUBLISH=1 the website offers them
	$(BIN)/python -m lecture $(if $(PUBLISH),--publish)

serve: $(VENV)/serve.done model  ## Serve the website, and build it again when a file changes
	$(BIN)/jupyter-book config sphinx .
	PYTHONPATH=book/_ext $(BIN)/sphinx-autobuild . _build/html -d _build/.doctrees --watch tinytorch \
		--ignore '*/conf.py' --ignore '*/_build/*' --port $(PORT) $(if $(NO_BROWSER),,--open-browser)

lab: $(VENV)/lab.done model  ## Open the pages as notebooks in JupyterLab
	$(BIN)/jupyter lab $(if $(NO_BROWSER),--no-browser,) book/intro.md

notebooks: $(VENV)/book.done  ## Write the pages as notebooks for Colab to _build/notebooks
	$(BIN)/python book/_ext/notebooks.py

paper: $(VENV)/dev.done book  ## Write the chapter as PDF and EPUB, check both, and offer them on the website
	$(BIN)/python -m tests.browser.installed paper
	PYTHONPATH=book/_ext $(BIN)/python -m chapter_paper

embed: book  ## Write the figures for other websites, with snippets to copy, to _build/embed
	$(BIN)/python book/_ext/embed.py

links: $(VENV)/book.done model  ## Check that the links to other sites still work
	$(BIN)/jupyter-book build . --builder linkcheck

test: $(VENV)/dev.done browser lint book  ## Check the code, build the book and run every test
	$(BIN)/pytest -n $(WORKERS) -m "not alone and not installs" --cov --durations=20 -r R
	$(BIN)/pytest -m alone

binder-check: $(VENV)/dev.done browser model  ## Build Binder's environment, open each page in it, run all cells
	$(BIN)/python -m tests.binder.check $(PAGES)

hub-check: $(VENV)/dev.done $(VENV)-hub/hub.done browser  ## Try nbgrader's exchange on a JupyterHub, as root on Linux
	$(BIN)/python -m tests.hub.check $(VENV)-hub

look: $(VENV)/dev.done browser  ## Draw each page of the built website as it looks everywhere: make look PAGES="enable speed"
	$(BIN)/python -m tests.browser.look $(PAGES)

pictures: $(VENV)/dev.done browser  ## Take the README's pictures from the built website
	$(BIN)/python -m tests.browser.pictures

browser: $(VENV)/dev.done  ## Install Chromium, Firefox, WebKit and bubblewrap, unless they are there
	$(BIN)/python -m tests.browser.installed

browsers: $(VENV)/dev.done browser book  ## Run every test of pages and figures in Chromium, Firefox and WebKit
	$(BIN)/pytest -n $(WORKERS) tests/browser --browsers=all -k "chromium or firefox or webkit" -r sR

check: $(VENV)/dev.done model lint  ## In a minute and a half: lint, test without browsers, run the changed pages
	$(BIN)/pytest -n $(WORKERS) -m "not slow and not alone and not installs" $(QUICK)
	$(BIN)/python -m tests.book.changed

lint: $(VENV)/dev.done  ## Check format, style, types of the JavaScript, and spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/python -m tests.javascript.lint

dist: $(VENV)/release.done  ## Build the sdist and the wheel that are released to _build/dist, and check them
	rm -rf _build/dist
	$(BIN)/python -m build --outdir _build/dist
	$(BIN)/twine check --strict _build/dist/*
	$(BIN)/pytest tests/test_install.py

model: $(VENV)/book.done  ## Fetch the language model SmolLM2 (93 MB, once)
	$(BIN)/python -m tinytorch.models

wasm: $(VENV)/dev.done  ## Compile the kernels of the engine in the browser
	$(BIN)/python -m tinytorch.browser.compile

bench: $(VENV)/bench.done model  ## Measure speed and memory beside transformers and llama.cpp
	$(BIN)/python -m benchmarks.run

bench-browser: $(VENV)/dev.done browser model  ## Measure the engine in the browser beside wllama
	$(BIN)/python -m benchmarks.browser

bench-serving: $(VENV)/bench-serving.done model  ## Measure many users at once beside llama.cpp's server and transformers
	$(BIN)/python -m benchmarks.serving

assignment: $(VENV)/coursework.done  ## Make the assignment for students, and for the instructor
	$(BIN)/python -m coursework.assignment

bench-grading: $(VENV)/dev.done browser  ## Measure grading: a class of 100, one of 1,000 with a worker killed
	$(BIN)/python -m benchmarks.grading

grade: $(VENV)/coursework.done  ## Grade a folder of submissions: make grade SUBMISSIONS=dir OPTIONS="--jobs 4"
	@test -n "$(SUBMISSIONS)" || { echo "error: say which folder: make grade SUBMISSIONS=dir"; exit 2; }
	$(BIN)/python -m coursework.grading "$(SUBMISSIONS)" $(OPTIONS)

regrade: $(VENV)/coursework.done  ## List what tests would change in old marks: make regrade SUBMISSIONS=dir OPTIONS="--task test_padding"
	@test -n "$(SUBMISSIONS)" || { echo "error: say which folder: make regrade SUBMISSIONS=dir"; exit 2; }
	$(BIN)/python -m coursework.regrade "$(SUBMISSIONS)" $(OPTIONS)

similarity: $(VENV)/similarity.done  ## Report how alike submissions are: make similarity SUBMISSIONS=dir
	@test -n "$(SUBMISSIONS)" || { echo "error: say which folder: make similarity SUBMISSIONS=dir"; exit 2; }
	$(BIN)/python -m coursework.similarity "$(SUBMISSIONS)"

constraints:  ## Write the newest versions that fit together to constraints.txt
	rm -rf $(VENV)-constraints
	$(PYTHON) -m venv $(VENV)-constraints
	$(VENV)-constraints/bin/pip install --quiet -r requirements-dev.txt
	(sed '/^[^#]/,$$d' constraints.txt; $(VENV)-constraints/bin/pip freeze --exclude-editable \
		| grep -vE '^(pip|setuptools)==') > constraints.new
	mv constraints.new constraints.txt
	rm -rf $(VENV)-constraints

clean:  ## Remove what was built (the model stays in the user's cache folder)
	rm -rf _build conf.py $(VENV) $(VENV)-constraints $(VENV)-hub *.egg-info .coverage
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

$(VENV)/translations.done: $(VENV)/book.done
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[translations]' -c constraints.txt
	touch $@

$(VENV)/serve.done: $(VENV)/book.done
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[serve]' -c constraints.txt
	touch $@

$(VENV)/lab.done: $(VENV)/book.done .binder/overrides.json
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[lab]' -c constraints.txt
	mkdir -p $(VENV)/share/jupyter/lab/settings
	cp .binder/overrides.json $(VENV)/share/jupyter/lab/settings/
	touch $@

$(VENV)/coursework.done: $(VENV)/book.done
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[coursework]' -c constraints.txt
	touch $@

$(VENV)/release.done: $(VENV)/dev.done
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[release]' -c constraints.txt
	touch $@

$(VENV)/similarity.done: $(VENV)/coursework.done
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[similarity]' -c constraints.txt
	touch $@

$(VENV)-hub/hub.done: tests/hub/requirements.txt constraints.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)-hub
	$(VENV)-hub/bin/pip install --quiet --disable-pip-version-check -r tests/hub/requirements.txt -c constraints.txt
	npm install --silent --no-save --prefix $(VENV)-hub configurable-http-proxy@$(HUB_PROXY)
	touch $@

$(VENV)/bench.done: $(VENV)/book.done benchmarks/requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt -c constraints.txt \
		|| echo "the peers could not be installed: tinytorch is measured alone"
	touch $@

$(VENV)/bench-serving.done: $(VENV)/bench.done benchmarks/requirements-serving.txt
	LLAMA_CPP_BUILD_JOBS=2 CMAKE_ARGS="$(SERVER_ALONE)" $(BIN)/pip install --quiet --disable-pip-version-check \
		-r benchmarks/requirements-serving.txt -c constraints.txt \
		|| echo "llama.cpp's server could not be built: it is left out"
	touch $@
