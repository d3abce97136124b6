# Two commands: `make demo` and `make test`. Both set up what they need in .venv.

FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c '$(FITS)' >/dev/null 2>&1 && echo $$p && break; done)
BIN := .venv/bin
RUN ?= runs/demo
PORT ?= 5006

PROCESSES ?= 2

.PHONY: demo test test-quick install install-test browser lint clean

demo: install
	$(BIN)/triptych demo $(RUN) --port $(PORT)

test: install-test browser
	$(BIN)/python -m pytest -n $(PROCESSES) --dist loadgroup --durations=20 $(PYTEST)

# Without a browser, and without what takes long.
test-quick: install-test
	$(BIN)/python -m pytest -n $(PROCESSES) --dist loadgroup -m "not ui and not slow" $(PYTEST)

lint: install-test
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/pyright --pythonpath $(BIN)/python

install: .venv/installed
install-test: .venv/installed-test

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Triptych needs Python 3.11, 3.12 or 3.13; install one, or name it: make demo PYTHON=/path/to/python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/installed: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/installed-test: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	@touch $@ .venv/installed

# The browser tests use chromium from PATH, else Debian's package, else Playwright's own; else they say they were not run.
browser: install-test
	@sh tests/ui/find-browser.sh $(BIN)/python

clean:
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache
