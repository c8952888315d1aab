# make demo            install what is needed and run the main job; ARGS=--once ends by itself
# make test            install what is needed and run all tests
# make quick           the tests that take less than half a second each, random ones with few examples: a minute or two
# make check           style, types, import directions
# make bench           every benchmark at quick sizes; make bench-store: the cellar at full size (an hour or more)
# make bench-plan      all published shops against other solvers (hours; goes on where it was ended): ARGS="--only 'ta*'"
# make setup           .venv with everything but torch and SUMO
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test quick check setup bench bench-store bench-plan docs clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Loopwright needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.11 " + "demo")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing Loopwright into $(VENV) (about 1.5 GB, a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all,dev]'
	@touch $(STAMP)

demo: $(STAMP)
	@$(BIN)/loopwright demo $(ARGS)

test: $(STAMP)
	@$(BIN)/python -m pytest -q $(ARGS)

quick: $(STAMP)
	@LOOPWRIGHT_FEWER_EXAMPLES=15 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
		$(BIN)/python -m pytest -q -m "not slow" -n 2 --dist loadgroup $(ARGS)

check: $(STAMP)
	@$(BIN)/ruff check src tests benchmarks examples
	@$(BIN)/mypy
	@$(BIN)/lint-imports

docs: $(STAMP)
	@$(BIN)/python -m loopwright.app.reference docs/reference

bench: $(STAMP)
	@$(BIN)/python -m benchmarks.run $(ARGS)

bench-store: $(STAMP)
	@$(BIN)/python -m benchmarks.run --full store edge events sources keep fleet

bench-plan: $(STAMP)
	-@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@$(BIN)/python -m benchmarks.bench_plan --results $(ARGS)
	@$(BIN)/python -m benchmarks.run --full repair

clean:
	rm -rf $(VENV) build dist *.egg-info src/*.egg-info
