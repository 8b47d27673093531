# make demo: set up and do the main job.   make test: set up and run the tests.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-slow test-privileged test-cluster cluster-tools chromium docs lint format clean

demo: .venv/installed
	$(BIN)/python examples/demo.py demo

test: .venv/installed
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: .venv/installed
	$(BIN)/python -m pytest -m slow

test-privileged: .venv/installed
	$(BIN)/python -m pytest -m privileged

# The guide as web pages, in docs/_build/html; any warning is an error. Tutorials are run unless they ran before.
docs: .venv/installed
	$(BIN)/python -m sphinx --fail-on-warning --quiet -b html docs docs/_build/html

# A Ray cluster on several hosts that it makes out of this one (tests/cluster/bed.py): a quarter of an hour, 6 GB
# of memory. Needs root.
test-cluster: .venv/installed
	$(BIN)/python -m pytest -m cluster

# What those hosts are made with. Debian starts an ssh server where there was none; no test needs that one. Needs root.
cluster-tools:
	apt-get update && apt-get install --yes --no-install-recommends iproute2 openssh-client openssh-server rsync util-linux

# Debian's browser, in which the endpoint's page is tested; without one those tests are skipped. Needs root.
chromium:
	command -v chromium || { apt-get update && apt-get install --yes --no-install-recommends chromium fonts-dejavu-core; }

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Made anew when what is to be installed changes; a half-made one has no stamp and is finished next time. pip
# would compile what it installs with one core; a few files there are Python of another version.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'sensorium-ray needs Python 3.11 or newer: make PYTHON=python3.11 ...')"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --no-compile --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,docs]"
	$(BIN)/python -m compileall -qq -j 0 .venv/lib || true
	touch $@

clean:
	rm -rf .venv demo docs/_build
