# Few targets; each works on a fresh machine. `make demo` and `make test` are all a newcomer needs.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PY := .venv/bin/python

.PHONY: help tools image demo test test-long lint check review plan bench

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

tools: ## install and build what the other targets need (cached)
	@tools/apt
	@tools/python
	@tools/python-dist
	@tools/build

image: tools ## build the gateway's image as an OCI layout (cached)
	@images/gateway/build

demo: tools image ## the main job on a real cluster: switch to Direct and back, with pulls running (KEEP=1 leaves it)
	@PYTHONPATH=images/gateway:hooks $(PY) -m tests.demo $(if $(KEEP),--keep)

test: tools image ## every rule and every mode, from pure functions to switches on real nodes
	@tools/pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not cluster and not long" --durations=8
	@tools/pytest -m "cluster and not long" --durations=8 tests/platform_tests
	@tools/pytest -m "cluster and not long" --durations=8 tests/e2e

test-long: tools image ## what `make test` leaves out: all twelve ways between the modes, many kills, rarer faults
	@tools/pytest -m "long and not cluster" --durations=8
	@PYTEST_MINUTES=180 tools/pytest -m "long and cluster" --durations=8 tests/e2e
	@tools/pytest -m "long and cluster" --durations=8 tests/platform_tests
	@$(MAKE) --no-print-directory demo

lint: tools ## every static check
	@tools/lint

check: lint test ## what CI runs

review: tools ## rendered manifests without a cluster: CONFIG=examples/direct.yaml FACTS=examples/cluster/ [UNTIL=Ready] [SECRETS=show]
	@$(PY) -m tools.review $(CONFIG) $(FACTS) $(if $(UNTIL),--until $(UNTIL)) $(if $(filter show,$(SECRETS)),--show-secrets)

plan: tools ## what a ModuleConfig would do, and to which files: CONFIG=examples/direct.yaml FACTS=examples/cluster/ (or KUBECONFIG=FILE)
	@$(PY) -m tools.plan plan $(CONFIG) $(if $(FACTS),--facts $(FACTS))

bench: tools ## ratios measured side by side; a table and bench/out.json
	@PYTHONPATH=images/gateway:hooks $(PY) -m bench
