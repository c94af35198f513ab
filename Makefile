# `make demo` and `make test` are all that a newcomer needs; both set up .venv by themselves.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo serve wheels test torture bench bench-large bench-scale lint format clean setup

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/shiftmix demo

# The plant that `make demo` leaves.
serve: $(STAMP)
	@test -f demo/springfield/plant.toml || { echo "There is no plant yet: run make demo first."; exit 1; }
	@$(BIN)/shiftmix serve --config demo/springfield/plant.toml $(ARGS)

# All that a plant without a network installs from: our own wheel, and those of constraints.txt.
wheels: $(STAMP)
	rm -rf wheels build
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --constraint constraints.txt --wheel-dir wheels .
	cp constraints.txt prefect.yaml wheels/

test: $(STAMP)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile $(ARGS)

torture: $(STAMP)
	$(BIN)/python -m pytest -m torture --capture=no $(ARGS)

# Speed and scale, as docs/reference/speed.md has them: minutes.
bench: $(STAMP)
	$(BIN)/python -m benchmarks.speed --write $(ARGS)

# With 100 M rows, where memory allows, and 500 lines: two hours, and 5 GB of disk.
bench-large: $(STAMP)
	$(BIN)/python -m benchmarks.speed --large --write $(ARGS)
	$(BIN)/python -m benchmarks.scale --write

# Many lines, files and days alone, as docs/reference/scale.md has them; ARGS=--quick: two minutes.
bench-scale: $(STAMP)
	$(BIN)/python -m benchmarks.scale $(if $(ARGS),$(ARGS),--write)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf demo wheels $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
