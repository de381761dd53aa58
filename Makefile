# Needs Python 3.11+ and make; everything else is installed into .venv from requirements.lock.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SPEC ?=

.DEFAULT_GOAL := help
.PHONY: help bootstrap demo test check format lint types mypy pyright imports generate generate-check regenerate record bench budgets mutation package conformance judges redis page docs-check lock clean soak soak-short

help: ## show the commands
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

bootstrap: $(STAMP) ## create .venv and install everything, with hashes

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: $(STAMP) ## see the MCP server at work on an embedded tailnet
	@$(BIN)/python examples/demo.py

test: $(STAMP) ## run the whole test suite, offline
	@$(BIN)/python scripts/run_tests.py

check: $(STAMP) ## all that CI runs besides the suite
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target format lint mypy pyright imports generate-check
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target soak-short package conformance redis
	@$(MAKE) --no-print-directory judges page budgets

format: $(STAMP) ## is the code formatted
	$(BIN)/ruff format --check .

lint: $(STAMP) ## ruff's rules
	$(BIN)/ruff check .

types: mypy pyright ## mypy --strict, and pyright on tests/typing

mypy: $(STAMP)
	$(BIN)/mypy
	$(BIN)/mypy tailscale_sdk/_generated tailscale_sdk/resources

pyright: $(STAMP)
	$(BIN)/python scripts/check_pyright.py

imports: $(STAMP) ## the floors of the house
	$(BIN)/lint-imports

generate: $(STAMP) ## rebuild everything made from openapi/tailscale.yaml
	$(BIN)/python -m codegen generate

generate-check: $(STAMP) ## fail when generated files differ from what is committed
	$(BIN)/python -m codegen check

regenerate: $(STAMP) ## import a newer API document: make regenerate SPEC=<file or URL>
	@test -n "$(SPEC)" || { echo "usage: make regenerate SPEC=<file or URL>" >&2; exit 2; }
	@$(BIN)/python -m codegen regenerate "$(SPEC)"

record: $(STAMP) ## record the cassettes again
	@$(BIN)/python scripts/record.py

bench: $(STAMP) ## benchmarks, as ratios measured in one run
	@$(BIN)/python scripts/bench.py --long

budgets: $(STAMP) ## the benchmarks, failing above their budgets
	@$(BIN)/python scripts/bench.py --check

soak: $(STAMP) ## half an hour of mixed work behind faults: memory, files, threads and tasks stay level
	@$(BIN)/python scripts/soak.py --minutes 30

soak-short: $(STAMP) ## the same for three minutes
	@$(BIN)/python scripts/soak.py --minutes 3

mutation: $(STAMP) ## break retry, limit and decode decisions one by one: do the tests notice
	@$(BIN)/python scripts/mutation.py

package: $(STAMP) ## build the wheel and try it in empty environments
	@$(BIN)/python scripts/check_package.py

conformance: $(STAMP) ## schemathesis: the embedded tailnet against openapi/tailscale.yaml
	@$(BIN)/python scripts/check_conformance.py

judges: $(STAMP) ## others judge the MCP server: conformance suite, Inspector, TypeScript and FastMCP clients
	@$(BIN)/python scripts/check_judges.py

redis: $(STAMP) ## the plan store against a real Redis
	@$(BIN)/python scripts/check_redis.py

page: $(STAMP) ## the pages of a policy graph and of an audit in a headless Chromium
	@$(BIN)/python scripts/check_page.py
	@$(BIN)/python scripts/check_audit_page.py

lock: $(STAMP) ## resolve requirements.lock again (needs uv)
	scripts/lock.sh

clean: ## remove what the commands made
	rm -rf $(VENV) dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage* node_modules .judges
