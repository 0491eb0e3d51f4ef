# Everything one does with this project. Both `make run` and `make test` set up what they need.

BIN     := .venv/bin
RUN_ENV := .venv/.installed
DEV_ENV := .venv/.installed-dev
ASSETS  := warmline/static/vendor/manifest.json
TWILIO  := tests/telephony/published/manifest.json
CODE    := warmline routing config simulator scripts
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
           --custom-compile-command "make lock"

# Where sentences for people stand: errors, marks for later, and t() in scripts.
WORDS   := --keyword Invalid --keyword Conflict --keyword NotFound --keyword NotAllowed --keyword later --keyword t \
           --keyword say --add-location file --sort-by-file --width 110 --omit-header
# It writes a new date into the header each time, so it is run only if sentences changed.
UPDATE  := $(BIN)/pybabel --quiet update --input-file .words.pot --output-file config/words/es.po --locale es \
           --no-fuzzy-matching --ignore-obsolete --width 110

.PHONY: help run test thorough bench lint check format lock pictures words clean

help: ## Lists these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(RUN_ENV) $(ASSETS) ## Starts the product and its simulator with a demo organization
	@exec $(BIN)/python -m warmline.run

test: $(DEV_ENV) $(ASSETS) $(TWILIO) ## Runs the tests, against real PostgreSQL, Redis and Chromium
	@scripts/chromium
	@$(BIN)/python -m tests.servers
	$(BIN)/pytest -n $$((2 * $$(getconf _NPROCESSORS_ONLN))) --dist worksteal --rerun-show-tracebacks $(ALSO)

thorough: ALSO := --thorough
thorough: test ## Tests all there is: each on both databases, every mutant, a death at every point

bench: $(DEV_ENV) $(ASSETS) ## Measures speed beside a floor and the goals; ten minutes of a quiet machine
	@scripts/chromium
	$(BIN)/python -m bench

lint: $(DEV_ENV) ## Checks style, types, imports, templates and security
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/djlint --check --lint .
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive $(CODE)

check: ## Lints, then tests: what CI runs
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory test

format: $(DEV_ENV) ## Formats code and templates
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	-$(BIN)/djlint --quiet --reformat .

lock: $(DEV_ENV) ## Compiles the locks anew from *.in and package.json
	$(COMPILE) requirements.in --output-file requirements.txt
	$(COMPILE) requirements-dev.in --output-file requirements-dev.txt
	$(COMPILE) scripts/requirements-node.in --output-file scripts/requirements-node.txt
	npm install --package-lock-only

pictures: $(DEV_ENV) $(ASSETS) ## Takes the pictures of the README's tour anew, in a browser
	PICTURES=docs/tour $(BIN)/pytest -n0 tests/e2e/test_evening.py -k English

words: $(DEV_ENV) ## Collects the sentences of pages into config/words/*.po, for translation
	$(BIN)/pybabel --quiet extract --mapping-file config/words/babel.cfg $(WORDS) --output-file .words.pot .
	@$(UPDATE) --check --ignore-pot-creation-date 2>/dev/null || $(UPDATE)
	@rm .words.pot

clean: ## Removes environment, assets and caches; keeps the data in var/
	rm -rf .venv $(dir $(ASSETS) $(TWILIO)) .*_cache .hypothesis test-results
	find . -name __pycache__ -prune -exec rm -rf {} +

$(RUN_ENV): requirements.txt scripts/install
	@scripts/install requirements.txt
	@touch $@

$(DEV_ENV): requirements-dev.txt $(RUN_ENV)
	@scripts/install requirements-dev.txt
	@touch $@

$(ASSETS) $(TWILIO): package-lock.json scripts/assets.py | $(RUN_ENV)
	@$(BIN)/python scripts/assets.py $(@D)
