"""A step is done again where the source or the libraries that decide its numbers have changed, and only there."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import outcross
from outcross import loop
from outcross.data import Plan
from outcross.filters import FILTERS
from outcross.filters.selecting import Choice
from outcross.ledger import root_of, work
from outcross.ledger.reach import LEFT_OUT, NOT_DECIDING, distributions, reached, versions
from outcross.ledger.syntax import Module
from outcross.measures import MEASURES, askers, measure
from outcross.models import LEARNERS, Task
from outcross.models.causal_lm.forms import ModelBlocks
from outcross.models.ngram.words import WordBlocks
from outcross.recipe import member
from outcross.sources import SOURCES, Gathering
from outcross.verbs.audit.steps import audit

PACKAGE = Path(outcross.__file__).parent
GAUSSIAN = {
    "name": "g",
    "human": {"distribution": "normal", "rows": 20},
    "learner": "gaussian",
    "policy": {"kind": "human_share", "share": 0.2},
    "draw": {"prompts": "none"},
    "metrics": ["fitted_law", "tail_mass"],
    "generations": 2,
    "chains": 3,
}
RUN = """
import json, sys
from pathlib import Path
from outcross.experiment import experiment
from outcross.ledger import Ledger
from outcross.loop import run
from outcross.policies import POLICIES
POLICIES["of_a_user"] = "user_parts:OfAUser"
done = []
ledger = Ledger(Path(sys.argv[1]))
ledger.over(lambda step: done.append(f"{step.verb} {step.part or step.generation}") if step.fresh else None, lambda: None)
readings = [str(reading) for generation in run(experiment(json.loads(sys.argv[2])), ledger) for reading in generation.measured]
ledger.close()
print(json.dumps([done, readings]))
"""
READS = {"measure fitted_law", "measure tail_mass"}
FIRST = {"gather -1", "begin -1"}
MIXES, TRAINS, DRAWS = ({f"{verb} {g}" for g in (0, 1)} for verb in ("mix", "train", "generate"))


def run(source, folder, recipe=GAUSSIAN):
    """The steps that a run does, not loads, and its readings, in a process that imports the package from `source`."""
    path = {"PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", RUN, str(folder), json.dumps(recipe)]
    ended = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **path}, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    done, readings = json.loads(ended.stdout)
    return set(done), readings


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A folder with a copy of the package, and of the bytecode of what is not edited: to compile it again takes a second in each process."""
    folder = tmp_path_factory.mktemp("source")
    shutil.copytree(
        PACKAGE, folder / "outcross"
    )  # with the times of change, by which Python knows that bytecode is that of a source
    return folder


@pytest.fixture(scope="module")
def finished(source, tmp_path_factory):
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    done, _ = run(source, folder)
    assert done == FIRST | MIXES | TRAINS | DRAWS | READS
    return folder


@pytest.fixture
def after(source, finished, tmp_path):
    """What a finished run does again, and its readings then, after edits (file, old, new) of the source."""

    def edited(*edits, folder=finished):
        before = {name: (source / "outcross" / name).read_text() for name, _, _ in edits}
        try:
            for name, old, new in edits:
                file = source / "outcross" / name
                assert old in file.read_text(), f"{name} no longer holds {old!r}"
                file.write_text(file.read_text().replace(old, new, 1))
            copy = tmp_path / "run"
            if folder is not None:
                shutil.copytree(folder, copy, dirs_exist_ok=True)
            return run(source, copy)
        finally:
            for name, text in before.items():
                (source / "outcross" / name).write_text(text)
            shutil.rmtree(tmp_path / "run", ignore_errors=True)

    return edited


TRAIN_ON_FIVE = (
    "loop.py",
    "    records, weights = training.records, training.weights\n",
    "    records, weights = training.records.take(np.arange(5)), None\n",
)


def test_a_verb_that_is_changed_is_done_again_with_what_comes_after_it_and_nothing_else(after):
    done, readings = after(TRAIN_ON_FIVE)
    assert done == TRAINS | DRAWS | READS | {"mix 1"}
    assert readings == after(TRAIN_ON_FIVE, folder=None)[1]


def test_what_measures_is_done_again_alone(after):
    done, _ = after(
        (
            "loop.py",
            "every = tuple(part.of_run(Evidence(**evidence), rng))",
            "every = tuple([*part.of_run(Evidence(**evidence), rng)])",
        )
    )
    assert done == READS


def test_a_part_that_is_changed_is_done_again_alone_where_it_makes_the_same(after):
    done, _ = after(
        ("measures/fitted_law.py", "trace / true_trace", "(trace / true_trace)"),  # the same syntax tree
        ("statistics/clusters.py", "def share(", "def share_of(pairs): return pairs\ndef share("),  # nothing calls it
        ("policies/human_share.py", "n = inventory.newest", "n = int(inventory.newest)"),  # the plan, which is in the key, stays
        ("measures/tail_mass.py", "import math\n", "import math\n\nNEW = 1\n"),
    )
    assert done == {"measure tail_mass"}  # all of a recipe's module counts, the new constant too


def test_a_helper_and_the_records_are_in_the_key_of_what_reaches_them(after):
    # A tail's mass comes with its null, so that nothing is tried on its own.
    assert after(("estimate.py", 'return estimate(), ""', "return (estimate()), str()"))[0] == {"measure fitted_law"}
    assert after(("estimate.py", "z2 = NORMAL_QUANTILE**2", "z2 = NORMAL_QUANTILE * NORMAL_QUANTILE"))[0] == {"measure tail_mass"}
    assert after(
        (
            "data/records.py",
            "    def take(self, rows: Reference | None) -> Vectors:\n",
            "    def take(self, rows: Reference | None = None) -> Vectors:\n",
        )
    )[0] > (FIRST | TRAINS | DRAWS | READS)


def test_a_distribution_that_is_asked_for_its_quantiles_is_in_the_key_of_what_asks(after):
    done, _ = after(("sources/normal.py", "ndtri(q))", "0.5 + ndtri(q))"))
    assert done >= READS


def test_words_for_people_are_in_no_key(after):
    done, _ = after(
        ("loop.py", '"the human data contain no records; give more data or a smaller block"', 'f"no records: {human}"'),
        ("loop.py", '"""Fit a model. For', '"""Fit one. For'),
        ("loop.py", "def train(", "# Fit a model.\n\ndef train("),
        ("models/gaussian.py", "gaussian with divisor n-1 needs at least 2 records, got {n}", "give 2 records, got {n:,}"),
        ("models/gaussian.py", "Shumailov et al., Nature", "Shumailov and others, Nature"),
        ("models/gaussian.py", '    """The kind of records that the model writes, which is the kind that it was fitted to."""\n', ""),
        ("sources/__init__.py", "f\"chains are independent samples", "f\"{self.chains}: chains are independent samples"),
        ("errors.py", "is not installed; pip", "is missing; pip"),
        ("runtime/__init__.py", "the same command again", "the command again"),
        ("verbs/run/question.py", "fork: bool = False", "fork: bool = bool(0)"),
        ("ledger/__init__.py", "could not be written: {error.strerror}", "was not written: {error.strerror}"),
        ("ledger/__init__.py", "self.entries.get(entry.key), entry\n", "self.entries.get(entry.key, None), entry\n"),
        ("policies/__init__.py", 'POLICIES: Family = Family({', 'POLICIES: Family = Family({"newer": "outcross.policies.replace:Replace",'),
        ("measures/held_out.py", "import math\n", "import math\nNEW = 1\n"),
    )  # fmt: skip
    assert done == set()


def test_another_version_of_a_library_does_the_steps_again_that_declare_it(source, finished, tmp_path):
    """A distribution that is found first says another version; SciPy decides human data (quantiles) and measures, and all that follows."""
    (tmp_path / "scipy-0.0.1.dist-info").mkdir()
    (tmp_path / "scipy-0.0.1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: scipy\nVersion: 0.0.1\n")
    shutil.copytree(finished, tmp_path / "run")
    done, _ = run(f"{source}{os.pathsep}{tmp_path}", tmp_path / "run")
    assert done >= READS | {"gather -1"}
    lines = [json.loads(line) for line in (tmp_path / "run" / "ledger.jsonl").read_text().splitlines()]
    settings = {(line["verb"], line["libraries"].get("scipy")) for line in lines}
    assert {("measure", "0.0.1"), ("measure", importlib.metadata.version("scipy")), ("train", None)} <= settings


def test_a_policy_of_a_users_own_is_covered_by_its_plans(source, tmp_path):
    (tmp_path / "user_parts.py").write_text(
        "from user_helps import newest\nfrom outcross.policies import Policy\nfrom outcross.recipe import recipe\n\n"
        "@recipe\nclass OfAUser(Policy):\n    def plan(self, inventory):\n        return newest(inventory)\n"
    )
    helps = tmp_path / "user_helps.py"
    text = "from outcross.data import Plan, Take\n\ndef newest(there):\n    return Plan((Take(what='models', rows=there.newest, back=1),))\n"
    helps.write_text(text)
    path, recipe = f"{source}{os.pathsep}{tmp_path}", GAUSSIAN | {"policy": "of_a_user"}
    assert "mix 1" in run(path, tmp_path / "run", recipe)[0]
    helps.write_text(text.replace("there.newest", "there.written(1)"))  # the same plan
    assert run(path, tmp_path / "run", recipe)[0] == set()
    helps.write_text(text.replace("what='models', rows=there.newest, back=1", "what='human', rows=there.human"))
    assert "mix 1" in run(path, tmp_path / "run", recipe)[0]


STEPS = [
    *[(loop.gather, member(SOURCES, name, "source"), {Gathering.__module__}) for name in SOURCES],
    *[(verb, member(LEARNERS, name, "learner"), {Task.__module__}) for verb in (loop.begin, loop.train) for name in LEARNERS],
    (loop.mix, Plan, set()),
    *[(loop.measure, measure(name), set()) for name in MEASURES if "run" in askers(measure(name))],
    *[(verb, member(FILTERS, name, "filter"), {Choice.__module__}) for verb in (loop.select, loop.resample) for name in FILTERS],
    (loop.gather, WordBlocks, set()),
    (loop.gather, ModelBlocks, set()),
]  # fmt: skip


def reached_by(verb, part, more):
    """What the source of a step reaches, whose recipe is this part within recipes of more modules."""
    return reached([root_of(verb.do), root_of(work), *((module, None) for module in {part.__module__, *more})])


def text_of(module):
    """The source of a module of the package."""
    path = PACKAGE / "/".join(module.split(".")[1:])
    return (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()


@pytest.mark.parametrize(("verb", "part", "more"), STEPS, ids=lambda value: getattr(value, "name", getattr(value, "__name__", "")))
def test_the_libraries_that_a_step_declares_are_those_that_its_source_imports(verb, part, more):
    packages = {"PIL": ["pillow"], **distributions()}  # Pillow need not be installed
    imported = {packages.get(name, [name])[0] for name in reached_by(verb, part, more).libraries - NOT_DECIDING.keys()}
    assert imported == {*verb.libraries, *part.libraries}


def test_every_step_names_the_versions_of_python_and_of_what_it_declares():
    recorded = versions(loop.measure.libraries, measure("fitted_law")())
    assert recorded == {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        **{name: importlib.metadata.version(name) for name in ("numpy", "polars", "scipy")},
    }
    assert versions(["no-such-library"], ())["no-such-library"] == ""


@pytest.mark.parametrize("verb", ["gather", "begin", "mix", "choose", "train", "generate", "write", "join", "measure"])
def test_no_verb_reaches_another(verb):
    others = {"gather", "begin", "mix", "choose", "train", "generate", "write", "join", "measure", "run"} - {verb}
    assert not {name for module, name in reached([("outcross.loop", verb)]).definitions if module == "outcross.loop"} & others


def test_what_is_left_out_is_used_and_each_entry_says_why():
    reaching = {module for step in STEPS for module, _ in reached_by(*step).definitions}
    reaching |= {module for module, _ in reached([root_of(audit.do)]).definitions}
    sources = "\n".join(map(text_of, reaching))
    for module, why in LEFT_OUT.items():
        package, _, name = module.rpartition(".")
        assert f"from {module} import" in sources or f"from {package} import {name}" in sources
        assert why.endswith(".")
    assert not reaching & LEFT_OUT.keys()


def test_nothing_but_a_recipe_is_imported_by_a_name_that_is_known_only_at_run_time():
    """The module of a recipe is in the key, and so is the source of a user's function that a verifier calls (`Choice.content`); what else were imported so would be in none."""
    reaching = {module for step in STEPS for module, _ in reached_by(*step).definitions}
    assert sorted(module for module in reaching if "import_module(" in text_of(module) or "__import__(" in text_of(module)) == [
        "outcross.filters.verify",
        "outcross.recipe",
    ]


WORDS = {"outcross.text.lexicon", "outcross.text.words", "outcross.statistics.clusters", "outcross.runtime.remembered"}


def test_what_counts_words_is_part_of_the_key_of_what_reads_words_and_of_no_other():
    for name in ("lexical_diversity", "rare_words"):
        assert {module for module, _ in reached([(f"outcross.measures.{name}", None)]).definitions} >= WORDS
    counting = WORDS - {"outcross.runtime.remembered"}  # evidence of every measure remembers the table of its records
    assert not counting & {module for module, _ in reached([("outcross.measures.fitted_law", None)]).definitions}


def files(folder, **texts):
    """A package of these modules."""
    folder.mkdir()
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)


def names(*roots):
    return {f"{module.partition('.')[2]}:{name}" for module, name in reached(roots).definitions}


def test_names_are_followed_through_every_way_to_import(tmp_path, monkeypatch):
    files(
        tmp_path / "ways",
        __init__="from ways.inner import deep as renamed\n",
        a="from __future__ import annotations\nimport ways.inner as whole\nfrom ways import inner, renamed\nfrom . import b as beside\n"
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ways.b import Type\n\n"
        "def by_attribute():\n    return inner.first()\n\ndef by_alias():\n    return whole.second\n\ndef by_package():\n    return renamed()\n\n"
        "def within():\n    from ways.inner import third\n    return third\n\ndef relative():\n    return beside.lone()\n\n"
        "def annotated(value: Type): ...\n\ndef bare():\n    return vars(inner)\n",
        b="class Type:\n    def method(self):\n        return lone()\n\ndef lone():\n    global COUNT\n    COUNT = 1\n\ndef reads():\n    return COUNT\n\ndef anything(): ...\n",
        c="from .b import *\n\ndef starred():\n    return anything()\n",
        inner="def first(): ...\nsecond = 2\ndef third(): ...\ndef deep(): ...\n",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert names(("ways.a", "by_attribute")) == {"a:by_attribute", "inner:first"}
    assert names(("ways.a", "by_alias")) == {"a:by_alias", "inner:second"}
    assert names(("ways.a", "by_package")) == {"a:by_package", "inner:deep"}
    assert names(("ways.a", "within")) == {"a:within", "inner:third"}
    assert names(("ways.a", "relative")) == {"a:relative", "b:lone", "b:COUNT"}
    assert names(("ways.a", "annotated")) == {"a:annotated", "b:Type", "b:lone", "b:COUNT"}
    assert names(("ways.a", "bare")) >= {"inner:first", "inner:second", "inner:third", "inner:deep"}
    assert names(("ways.b", "reads")) == {"b:reads", "b:COUNT"}  # the function that sets COUNT is a part of its definition
    assert "b:anything" in names(("ways.c", "starred"))


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        ('def f(n):\n    """Add."""\n    # Two more.\n    return (n\n            + 2)\n', True),
        ("def f(n):\n    return n + 2\n\ndef g(): ...\n", True),
        ("def f(n):\n    return n + 1\n", False),
        ("def f(n):\n    return n + 2.0\n", False),
        ("def f(n):\n    return n + True\n", False),
        ("def f(n):\n    return (n, +2)\n", False),
        ("def f(n: int):\n    return n + 2\n", False),
        ("@cache\ndef f(n):\n    return n + 2\n", False),
        ("def f(n):\n    return n + 2\n\nf.loud = True\n", False),
        ("def f(n):\n    return n + 2\n\ndef f(n):\n    return n\n", False),
    ],
)
def test_a_digest_tells_syntax_trees_apart_and_nothing_else(other, is_same, tmp_path):
    def digest(text):
        (tmp_path / "m.py").write_text(text)
        return Module.read("m", tmp_path / "m.py").meaning("f").digest

    assert (digest(other) == digest("def f(n):\n    return n + 2\n")) is is_same


@pytest.mark.parametrize(
    ("raised", "other", "is_same"),
    [
        ("BadInput('a')", "BadInput(f'{n} b')", True),
        ("ValueError('a')", "ValueError('b') from None", True),
        ("(BadInput if n else MachineGaveOut)('a')", "(BadInput if n else MachineGaveOut)('b')", True),
        ("BadInput('a')", "ValueError('a')", False),
        ("NotApplicable('a')", "NotApplicable('b')", False),  # its words are the note of a reading
        ("OfAUser('a')", "OfAUser('b')", False),  # who knows what catches it
    ],
)
def test_the_words_of_a_refusal_do_not_count_and_those_of_a_note_do(raised, other, is_same, tmp_path):
    def digest(text):
        imports = "from outcross.errors import BadInput, MachineGaveOut\nfrom outcross.estimate import NotApplicable\n"
        (tmp_path / "m.py").write_text(f"{imports}class OfAUser(Exception): ...\ndef f(n):\n    raise {text}\n")
        return Module.read("m", tmp_path / "m.py").meaning("f").digest

    assert (digest(raised) == digest(other)) is is_same
