# The two commands of the README: `make demo` and `make test`. Each shows the plain commands that it runs.
PYTHON ?= python3
PY = .venv/bin/python

.PHONY: demo test test-slow benchmark

demo: .venv/running
	$(PY) -m data_collection --recipe sample
	$(PY) -m training --dataset data/sample --sizes 96 --trials 12
	$(PY) -m finetuning --trials 2 --epochs 2 --repeats 2 --deepest 2
	$(PY) -m validation
	$(PY) -m detection $$(find data/sample/originals -name "*.p*" | sort | sed -n "1,3p;798,800p")
	@echo
	@echo "Look at the report:   saved_models/sample-*/report/index.html"
	@echo "Look at the curves:   $(PY) -m tensorboard.main --logdir logs"
	@echo "Judge a photo:        $(PY) -m detection PHOTO.jpg, or on a page: $(PY) -m detection web"

test: .venv/testing
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m pytest

test-slow: .venv/testing
	$(PY) -m pytest -m slow

benchmark: .venv/running
	$(PY) -m benchmarks.run

.venv/running: requirements.txt
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/testing: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ .venv/running
