# The README's commands, `make demo` and `make test`. Each shows the plain commands that it runs.
PYTHON ?= python3
PY = .venv/bin/python
PIP = $(PY) -m pip install --no-compile --disable-pip-version-check
UV = $(PY) -m uv pip install --python $(PY) \
	$(if $(PIP_INDEX_URL),--default-index $(PIP_INDEX_URL)) $(if $(PIP_FIND_LINKS),--find-links $(PIP_FIND_LINKS))

.PHONY: demo train-sample test test-slow benchmark lock clean

# Trains on the sample unless a validated detector of it is there.
demo: .venv/running $(if $(wildcard saved_models/sample-*/report/index.html),,train-sample)
	@echo "Step 6 of 6: judge three photographs and three generated faces."
	$(PY) -m detection --model sample --any-picture $$(find data/sample/originals -name "*.p*" | sort | sed -n "1,3p;798,800p")
	@echo
	@echo "What this shows: every step works on this machine."
	@echo "What it cannot show: how well a detector does. Even the metadata of the files tells these"
	@echo "photographs of 1994 and these faces of a small GAN apart, so the figures say nothing about"
	@echo "other pictures, and the detector knows the sample only."
	@echo
	@echo "Your own pictures:  $(PY) -m data_collection"
	@echo "All of it again:    make clean, then make demo"
	@echo "The curves:         $(PY) -m tensorboard.main --logdir logs"
	@echo "The page:           $(PY) -m detection web --model sample, then http://127.0.0.1:8420"
	@echo "The report:         file://$(CURDIR)/$$(ls -t saved_models/sample-*/report/index.html | head -1)"

train-sample: .venv/running
	@echo "Step 2 of 6: collect 400 photographs and 400 generated faces, and audit them."
	$(PY) -m data_collection --recipe sample
	@echo "Step 3 of 6: search for the best heads, and train a detector."
	$(PY) -m training --dataset data/sample --bases mobilenet_v2 --signals picture --sizes 96 --trials 12 --ensemble 2
	@echo "Step 4 of 6: search how deep to fine-tune it."
	$(PY) -m finetuning --trials 2 --epochs 2 --warmup 0 --repeats 3 --max-depth 2
	@echo "Step 5 of 6: test it on pictures that no step has seen, and write the report."
	$(PY) -m validation --distorted 40 --explained 24

test: .venv/testing
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m pytest

test-slow: .venv/testing
	$(PY) -m pytest -m slow

benchmark: .venv/running
	$(PY) -m benchmarks.run

# Every package but torch by its hash; then torch, in the build that fits the machine. uv is
# faster than pip; where it is not to be had or finds no index, pip installs. Modules are compiled
# when they are first imported: most never are.
.venv/running: requirements.lock requirements.txt requirements-uv.lock
	@echo "Step 1 of 6: install the packages into .venv, once."
	$(PYTHON) -m venv .venv
	-$(PIP) --require-hashes -r requirements-uv.lock
	$(UV) --require-hashes --no-deps -r requirements.lock || $(PIP) --require-hashes --no-deps -r requirements.lock
	$(UV) -r requirements.txt || $(PIP) -r requirements.txt
	@touch $@

.venv/testing: .venv/running requirements-dev.txt
	$(UV) -r requirements-dev.txt || $(PIP) -r requirements-dev.txt
	@touch $@

LOCK = .venv/locking/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --upgrade --custom-compile-command "make lock" --quiet
lock:
	$(PYTHON) -m venv .venv/locking
	.venv/locking/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-uv.txt
	$(LOCK) requirements.txt --override requirements-lock.txt --output-file requirements.lock
	$(LOCK) requirements-uv.txt --output-file requirements-uv.lock

# Deletes what demo and test have made. Other data sets, detectors and logs stay, and what was
# downloaded (`telltale doctor --clear-cache`); so does a sample to which pictures were added.
clean:
	rm -rf .venv build telltale.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@for card in $$(grep -ls '"practice": true' saved_models/sample-[0-9]*/card.json); do \
		folder=$${card%/card.json}; rm -rf $$folder logs/*/$${folder#saved_models/}; \
		echo "deleted $$folder"; done
	@if grep -qsxF 'real = ["sample"]' data/sample/recipe.toml && [ ! -e data/sample/recipe-2.toml ]; \
		then rm -rf data/sample logs/*/sample; echo "deleted data/sample"; fi
