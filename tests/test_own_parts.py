"""Parts of the user's own: from Python, from a file that the command line names, and from installed packages; never from what a file alone says."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import outcross
from outcross import own_parts
from outcross.cli import main
from outcross.data import Inventory
from outcross.data.labelled import LabelledPoints
from outcross.data.records import Counts, Moments, Vectors, blocks
from outcross.errors import BadInput
from outcross.estimate import Estimate
from outcross.filters.of_records import RecordCandidates
from outcross.policies import POLICIES
from outcross.recipe import recipe
from outcross.verbs.run.progress import shown_columns

PARTS = '''
from pathlib import Path

import numpy as np

from near_by import share_of
from outcross.attributes import Attribute, AttributePage
from outcross.data import Plan, Take
from outcross.estimate import Estimate, Reading
from outcross.filters import Filter, FilterPage, Selection
from outcross.measures import Measure, Page
from outcross.policies import Policy
from outcross.recipe import recipe

Path(__file__).with_name("ran").write_text("this file was run")


@recipe
class OldAndNew(Policy):
    """A share of human records, and the newest for the rest."""

    share: float = 0.5

    def plan(self, inventory):
        human = share_of(inventory.newest, self.share)
        rest = inventory.newest - human
        return Plan((Take(what="human", rows=human, choice="redrawn"), Take(what="models", rows=rest, back=1, choice="redrawn")))


@recipe
class Breadth(Measure):
    """How far apart the smallest and the largest drawn number are."""

    aspect = "spread"
    needs = ("vectors",)
    pages = {
        "breadth": Page(
            "MY1", "breadth of the drawn", "Largest less smallest.", unit="units", healthy="that of the human data",
            collapsed="0", role="spread", paper="ours",
        )
    }

    def __call__(self, evidence, rng):
        yield Reading("breadth", Estimate(float(np.ptp(evidence.drawn.array)), None, None, "one sample", len(evidence.drawn)), None)


@recipe
class Vowels(Attribute):
    """The share of letters that are vowels."""

    page = AttributePage("vowels", "Vowels over characters.", "fraction", (0, 1), "It misleads about y.", "ours")

    def __call__(self, given):
        return np.array([sum(map(text.count, "aeiou")) / max(1, len(text)) for text in given], dtype=np.float64)


@recipe
class Short(Filter):
    """Texts of a few letters."""

    page = FilterPage("short texts", "Keeps texts of at most `letters`.", "It loses long texts.", "ours")
    letters: int = 10

    def select(self, candidates, rng):
        return Selection(np.array([len(text) <= self.letters for text in candidates.texts], dtype=int), reasons=("too long",))


class Loose(Policy):
    def plan(self, inventory):
        return 1 / 0
'''
SPEC = """
human: {distribution: normal, rows: 40}
learner: gaussian
policy: {kind: "parts_of_mine.py:OldAndNew", share: 0.25}
metrics: ["+parts_of_mine.py:Breadth"]
draw: {prompts: none}
generations: 2
sweep: {seed: [0, 1]}
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with parts and an experiment; what was imported of it is forgotten afterwards."""
    (tmp_path / "parts_of_mine.py").write_text(PARTS)
    (tmp_path / "near_by.py").write_text("def share_of(n, share):\n    return round(n * share)\n")
    (tmp_path / "my.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    before, path = set(sys.modules), list(sys.path)
    yield tmp_path
    here = [
        name for name in set(sys.modules) - before if (getattr(sys.modules[name], "__file__", "") or "").startswith(str(tmp_path))
    ]
    own_parts.forget(here)
    sys.path[:] = path


def command(*words, capsys):
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def has_run(place):
    """Whether the file of parts was run since the last time."""
    there = (place / "ran").exists()
    (place / "ran").unlink(missing_ok=True)
    return there


def test_an_experiment_file_runs_no_code_and_the_refusal_says_what_would(place, capsys, monkeypatch):
    monkeypatch.chdir(place.parent)
    spec = Path(place.name) / "my.yaml"
    for words in (["run", spec, "--out", "r"], ["mix", spec, "--plan"], ["show", spec], ["list", "policies"], ["report", spec]):
        command(*words, capsys=capsys)
        assert not has_run(place), words
    code, _, error = command("run", spec, "--out", "r", capsys=capsys)
    assert code == 2 and error == (
        "outcross: policy is 'parts_of_mine.py:OldAndNew', which is Python code, and an experiment file may not run code by itself. If you trust it, add "
        f"--import {place.name}/parts_of_mine.py (in Python: imports=['{place.name}/parts_of_mine.py'])\n"
    )
    code, shown, _ = command("show", spec, capsys=capsys)
    assert code == 0 and "parts_of_mine.py:OldAndNew is a user-defined part (SHA-256 of its source" in shown.replace("\n#   ", " ")


def test_run_imports_what_the_command_line_names_and_nothing_imports_it_afterwards(place, capsys):
    code, *_ = command("run", "my.yaml", "--import", "parts_of_mine.py", "--out", "r", "--workers", 1, "--quiet", capsys=capsys)
    assert code == 0 and has_run(place)
    own_parts.forget(["parts_of_mine", "near_by"])
    page = (place / "r/report.html").read_bytes()
    for words in (["show", "r"], ["report", "r"], ["show", "r", "--json"], ["list", "measures", "--import", "parts_of_mine.py"]):
        code, said, _ = command(*words, capsys=capsys)
        assert code == 0 and not has_run(place), words
    assert "parts_of_mine.py:Breadth" in said
    assert (place / "r/report.html").read_bytes() == page and b"breadth of the drawn" in page
    run = outcross.open("r")
    assert not has_run(place) and not run.unfinished
    assert run.readings.filter(measure="breadth").height == 4 and {arm.name for arm in run.arms} == {"old_and_new=0.25"}
    assert any("parts_of_mine.py:OldAndNew" in note and "near_by.py" in note for note in run.notes)
    with pytest.raises(BadInput, match="its code was not imported; run it"):
        run.arms[0].experiment.policy.plan(None)


def test_the_lines_of_a_run_show_the_readings_of_the_users_measures(place, capsys):
    code, printed, _ = command("run", "my.yaml", "--import", "parts_of_mine.py", "--out", "out", capsys=capsys)
    heading, line = (next(text for text in printed.splitlines() if text.startswith(start)) for start in ("arm", "old_and_new"))
    assert code == 0 and heading.split()[-1] == "breadth"
    run = outcross.open("out")
    last = run.frame(pooled=True).filter(measure="breadth", generation=1)["value"].item()
    assert f"{last:,.3f}" in line
    number = Estimate(0.5, 0.4, 0.6, "chains", 10)
    of_text = ["held_out_perplexity", "prompt_copying", "known_words"]
    several = dict.fromkeys([*((name, "") for name in of_text), ("distinct_n", "2 words"), ("rare_words", "1 time")], number)
    headings = ["perplexity", "copied", "distinct-2", "known words", "all words 1×"]
    assert list(shown_columns(several).values()) == headings
    # One of the five columns is that of the user's measure, and its readings of single places have none.
    own = several | {("breadth", ""): number, ("breadth", "upper half"): number}
    assert list(shown_columns(own).values()) == [*headings[:4], "breadth"]
    assert list(shown_columns(own | {("breadth", ""): None}).values()) == headings
    assert list(shown_columns({("spread_of_everything", ""): number}).values()) == ["spread…ything"]


CHANGES = {
    "measure": ("yield Reading(", "evidence.drawn.array.sort(axis=-2)\n        yield Reading(", r"^Breadth\.__call__"),
    "policy": ("human = share_of(", "inventory.totals[0] = 1\n        human = share_of(", r"^OldAndNew\.plan"),
    "learner": (
        "class Loose(Policy):",
        """@recipe
class Doubled(Gaussian):
    def fit(self, records, *given):
        records.array.__imul__(2)
        return super().fit(records, *given)


class Loose(Policy):""",
        r"^Doubled\.fit",
    ),
    "filter": (
        "class Loose(Policy):",
        """@recipe
class Clipped(Filter):
    page = FilterPage("clipped", "Keeps all.", "Nothing.", "ours")

    @property
    def needs(self):
        return ("points",)

    def select(self, candidates, rng):
        np.clip(candidates.points, -1, 1, out=candidates.points)
        return Selection(np.ones(len(candidates.points), dtype=int), reasons=())


class Loose(Policy):""",
        r"^Clipped\.select",
    ),
}
"""What a part does to its input, as an edit of `PARTS`, and the method that is named."""
TAKEN = {"learner": {"learner": "parts_of_mine.py:Doubled"}, "filter": {"select": ["parts_of_mine.py:Clipped"]}}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_part_that_changes_its_input_in_a_run_is_one_line(kind, place):
    before, after, method = CHANGES[kind]
    imports = "from outcross.measures import Measure, Page\nfrom outcross.models.gaussian import Gaussian\n"
    text = PARTS.replace("from outcross.measures import Measure, Page\n", imports).replace(before, after, 1)
    (place / "parts_of_mine.py").write_text(text)
    said = (
        method
        + r" \(parts_of_mine\.py, line \d+\) raised ValueError: .*read-only; a part may not change what it is given, so work on a copy$"
    )
    with pytest.raises(BadInput, match=said):
        outcross.run("my.yaml", imports=["parts_of_mine.py"], out="r", settings=TAKEN.get(kind, {})).finish()


def test_no_array_of_records_can_be_changed():
    points = Vectors(np.zeros((4, 2)))
    text = blocks(np.zeros((2, 3), dtype=np.int32), ["a", "b"], np.ones(2))
    labelled = LabelledPoints(np.zeros((2, 1)), np.zeros(2, int), np.zeros(2, int), ("no", "yes"), ("a",))
    arrays = {
        "points": points.array,
        "joined points": Vectors.concat([points, points]).array,
        "some points": points.take(np.array([1, 2])).array,
        "mean": points.moments.mean,
        "scatter": Moments.concat([points.moments, points.moments]).scatter,
        "counts": Counts(np.array([1, 2])).array,
        "tokens": text.tokens,
        "labelled points": labelled.array,
        "classes": labelled.label,
        "groups": labelled.take(np.array([1])).group,
        "totals": Inventory(1, 5, np.array([0, 5])).totals,
        "authors": RecordCandidates(points, author=np.array(["human"] * 4)).authors,
    }
    for name, array in arrays.items():
        with pytest.raises(ValueError, match="read-only"):
            array[...] = array[:1]
        assert not array.flags.writeable, name
    # The caller's own array stays as it was.
    own = np.zeros((4, 2))
    assert Vectors(own) is not None and own.flags.writeable


def test_workers_give_the_bytes_of_one_process(place):
    for out, workers in (("one", 1), ("two", 2)):
        outcross.run("my.yaml", imports=["parts_of_mine.py"], out=out, workers=workers).finish()
    assert (place / "one/ledger.jsonl").read_bytes() == (place / "two/ledger.jsonl").read_bytes()


def test_the_source_of_a_part_and_of_the_modules_beside_it_is_in_the_key(place):
    def keys():
        own_parts.forget(["parts_of_mine", "near_by"])
        run = outcross.run("my.yaml", {"sweep": None, "seed": 0}, imports=["parts_of_mine.py"]).finish()
        return {(step.verb, step.part): key for key, step in run.ledger.entries.items()}

    first = keys()
    (place / "near_by.py").write_text("# another remark\ndef share_of(n, share):\n    return round(n * share)\n")
    assert keys() == first
    (place / "parts_of_mine.py").write_text(PARTS.replace("np.ptp(evidence.drawn.array)", "np.ptp(evidence.drawn.array) + 0"))
    changed = keys()
    assert {name for name in first if first[name] != changed[name]} == {("measure", "breadth")}


def test_an_instance_is_a_part_and_a_file_that_changed_is_imported_anew(place):
    settings = {"name": "x", "human": {"distribution": "normal", "rows": 30}, "learner": "gaussian", "draw": {"prompts": "none"}}
    own_parts.load(["parts_of_mine.py"])
    first = sys.modules["parts_of_mine"]
    run = outcross.run(
        settings, policy=first.OldAndNew(share=0.5), metrics=["-tail_mass", first.Breadth()], generations=2, out="r"
    ).finish()
    assert run.experiment["policy"] == {"kind": "parts_of_mine.py:OldAndNew", "share": 0.5}
    assert "breadth" in run.readings["measure"].to_list() and "tail_mass" not in run.readings["measure"].to_list()
    assert outcross.Experiment(**settings, policy=first.OldAndNew()).policy == first.OldAndNew(share=0.5)
    (place / "parts_of_mine.py").write_text(PARTS.replace("share: float = 0.5", "share: float = 0.125"))
    again = outcross.run(settings, policy="parts_of_mine.py:OldAndNew", imports=["parts_of_mine.py"])
    assert again.experiment["policy"]["share"] == 0.125
    with pytest.raises(BadInput, match=r"must be an instance, got the class OldAndNew; write OldAndNew\(…\)"):
        outcross.run(settings, policy=sys.modules["parts_of_mine"].OldAndNew)
    with pytest.raises(BadInput, match=r"there is no option 'polcy'; did you mean 'policy'"):
        outcross.run(settings, polcy="replace")


def test_a_class_without_a_file_may_not_fill_a_folder(place):
    own_parts.load(["parts_of_mine.py"])
    cls = sys.modules["parts_of_mine"].OldAndNew
    exec("class Typed(base):\n    'Typed into a notebook.'", space := {"base": cls, "__name__": "notebook"})
    typed = recipe(space["Typed"])
    settings = {"name": "x", "human": {"distribution": "normal", "rows": 30}, "learner": "gaussian", "draw": {"prompts": "none"}}
    assert list(outcross.run(settings, policy=typed(), generations=1))
    with pytest.raises(BadInput, match="is defined in no file, so a run folder could not notice when it changes"):
        outcross.run(settings, policy=typed(), out="r")


def test_a_mix_takes_filters_and_attributes_of_a_file(place, capsys):
    rows = [
        {"text": text} for text in ("a short one", "tiny", "aeiou", "a text that is much longer than ten letters", "brr", "ooo")
    ]
    (place / "human.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (place / "mix.yaml").write_text(
        "pools: [{name: human, path: human.jsonl, origin: human}]\n"
        "filters: [{'parts_of_mine.py:Short': {letters: 11}}, {verify: {attribute: 'parts_of_mine.py:Vowels', at_least: 0.2}}]\n"
    )
    code, _, error = command("mix", "mix.yaml", "--out", "m", capsys=capsys)
    assert code == 2 and "add --import parts_of_mine.py" in error and not has_run(place)
    code, _, error = command("mix", "mix.yaml", "--out", "m", "--import", "parts_of_mine.py", "--json", capsys=capsys)
    assert code == 0, error
    assert has_run(place)
    stored = json.loads((place / "m/manifest.json").read_text())
    assert [entry["filter"] for entry in stored["filters"]] and "short" in json.dumps(stored["filters"])


WRONG = {
    "no_such.py": (None, "--import no_such.py: there is no such file"),
    "needs.py": (
        "import near_nothing\n",
        r"--import needs.py cannot be imported: ModuleNotFoundError: No module named 'near_nothing' \(needs.py, line 1\)",
    ),
    "fails.py": (
        "x = 1\n\nx / 0\n",
        r"--import fails.py cannot be imported: ZeroDivisionError: division by zero \(fails.py, line 3\)",
    ),
    "broken.py": ("def f(:\n", r"--import broken.py cannot be imported: SyntaxError: invalid syntax \(broken.py, line 1\)"),
    "ends.py": ("import sys\nsys.exit(0)\n", r"--import ends.py cannot be imported: SystemExit: 0 \(ends.py, line 2\)"),
    "worse.py": (
        "from outcross.measures import Page\n\npage = Page('A1', 'a', 'b', 'units', '0', '0', 'spread', 'ours', worse='lower')\n",
        r"worse of the page 'a' must be one of smaller, larger, either, None, got 'lower'.* \(worse.py, line 3\)",
    ),
    "role.py": (
        "from outcross.measures import Page\n\npage = Page('A1', 'a', 'b', 'units', '0', '0', 'spred', 'ours')\n",
        r"role of the page 'a' must be one of risk, spread, .*, got 'spred'; did you mean 'spread'\? \(role.py, line 3\)",
    ),
    "wants.py": (
        "from outcross.filters import Filter\n\n\nclass Wants(Filter):\n    needs = ('vectors',)\n",
        r"needs of Wants must be one of points, texts, got 'vectors'.* \(wants.py, line 4\)",
    ),
    "bare.py": (
        "from outcross.policies import Policy\nfrom outcross.recipe import recipe\n\n\n@recipe\nclass Bare(Policy):\n    share = 0.1\n",
        r"share of Bare \(bare.py, line 6\) has no annotation, so it would not be a setting; write share: float = 0\.1, or SHARE",
    ),
    "json.py": ("", "another module called json is at .*; rename the file"),
    "a-b.py": ("", "'a-b' is not a name of a module; rename the file"),
    "shadows.py": ("import random\n", "random.py, which it imports, has the name of another module, at .*; rename it"),
}


@pytest.mark.parametrize("file", WRONG)
def test_what_cannot_be_imported_is_said_in_one_line_with_file_and_line(file, place):
    text, said = WRONG[file]
    if text is not None:
        (place / file).write_text(text)
    if file == "shadows.py":
        (place / "random.py").write_text("")
    with pytest.raises(BadInput, match=said) as refused:
        outcross.run("my.yaml", imports=[file])
    assert "\n" not in str(refused.value)


RUN_TIME = {
    "def plan(self, inventory):\n        return 3": r"policy One\.plan \(one\.py, line 9\) must return a Plan, got 3",
    "def plan(self, inventory):\n        return Plan(()) if inventory.generation / 0 else None": r"One\.plan \(one\.py, line 10\) raised ZeroDivisionError",
    "def plan(self, inventory):\n        raise ValueError('no luck')": r"One\.plan \(one\.py, line 10\) raised ValueError: no luck",
    "def plan(self, inventory):\n        return Plan((Take(what='models', rows=-10),))": r"One\.plan \(one\.py, line 10\): rows of a Take must be a whole number from 0, got -10",
    "def plan(self, inventory):\n        return Plan((Take(what='models', rows=2.5),))": r"One\.plan \(one\.py, line 10\): rows of a Take must be a whole number from 0, got 2\.5",
    "def plan(self, inventory):\n        return Plan((Take(what='model', rows=10),))": r"One\.plan \(one\.py, line 10\): what of a Take must be one of human, fresh, models, all, got 'model'; did you mean 'models'\?",
    "def plan(self):\n        return Plan(())": r"One \(one\.py, line 6\) has One\.plan \(one\.py, line 9\) with the arguments \(self\); it is called with \(self, inventory\)",
    "def plan(self, inventory):\n        return Plan((Take(what='models', rows=9 * inventory.newest, back=1),))": r"one.* 9 × |policy one takes|policy one needs",
}


@pytest.mark.parametrize("method", RUN_TIME)
def test_a_wrong_policy_is_one_line_with_its_class_file_and_line(method, place):
    (place / "one.py").write_text(
        "from outcross.data import Plan, Take\nfrom outcross.policies import Policy\nfrom outcross.recipe import recipe\n\n"
        f"@recipe\nclass One(Policy):\n    '''One.'''\n\n    {method}\n"
    )
    with pytest.raises(BadInput) as refused:
        list(outcross.run("my.yaml", policy="one.py:One", sweep=None, metrics=["w1"], imports=["one.py"]))
    assert re.search(RUN_TIME[method], str(refused.value)) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("parts_of_mine.py:OldAndNw", r"parts_of_mine.py defines no class 'OldAndNw'; did you mean 'OldAndNew'\?"),
        (
            "parts_of_mine.py:Breadth",
            r"Breadth \(parts_of_mine.py, line \d+\) does not derive from Policy; derive it from outcross.policies.Policy",
        ),
        ("parts_of_mine.py:Loose", r"Loose \(parts_of_mine.py, line \d+\) is not a frozen value; write @recipe above the class"),
        ("parts_of_mine.py:share_of", "defines no class 'share_of'"),
        ("os:system", "Python code, and an experiment file may not run code by itself. If you trust it, add --import os"),
    ],
)
def test_what_is_no_part_is_refused(kind, said, place):
    with pytest.raises(BadInput, match=said):
        outcross.run("my.yaml", policy=kind, imports=["parts_of_mine.py"])


MODEL = """
import numpy as np
from outcross.data.records import Vectors
from outcross.models import Learner
from outcross.recipe import recipe

class Still:
    def sample(self, draw):
        return Vectors(np.zeros((draw.records, 1)))

    def log_prob(self, records):
        return np.zeros(records.array.shape[:-1])

    def save(self, folder):
        np.savez(folder / "still.npz", zero=np.zeros(1))

@recipe
class AlwaysZero(Learner):
    '''Zeros.'''

    learns = ("vectors",)
    takes_weights = False

    def fit(self, records, weights, start, training, rng):
        return Still()

    def load(self, folder):
        return Still()
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_that_does_not_take_the_arguments_is_named_with_its_line(place, workers):
    """Python raises before the first line of the method, so that no frame of the traceback is the user's."""
    (place / "zeros.py").write_text(MODEL)
    with pytest.raises(BadInput, match=r"^Still\.sample \(zeros\.py, line 8\) raised TypeError: .*takes 2 positional arguments"):
        outcross.run(
            "my.yaml", learner="zeros.py:AlwaysZero", imports=["parts_of_mine.py", "zeros.py"], out="r", workers=workers
        ).finish()


def test_a_number_in_the_place_of_an_estimate_is_one_line(place):
    (place / "parts_of_mine.py").write_text(
        PARTS.replace('Estimate(float(np.ptp(evidence.drawn.array)), None, None, "one sample", len(evidence.drawn))', "0.5")
    )
    with pytest.raises(
        BadInput,
        match=r"^Breadth\.__call__ \(parts_of_mine\.py, line \d+\) yields breadth with the estimate 0\.5, which must be an",
    ):
        outcross.run("my.yaml", imports=["parts_of_mine.py"], out="r").finish()


def test_a_part_that_raises_while_it_works_is_one_line(place):
    (place / "parts_of_mine.py").write_text(PARTS.replace("float(np.ptp(evidence.drawn.array))", "float('a')"))
    with pytest.raises(
        BadInput,
        match=r"^Breadth\.__call__ \(parts_of_mine\.py, line \d+\) raised ValueError: could not convert string to float: 'a'$",
    ):
        outcross.run("my.yaml", imports=["parts_of_mine.py"], out="r", workers=2).finish()


@pytest.fixture
def package(place, monkeypatch):
    """Packages that offer parts by entry points."""

    def install(name, points):
        info = place / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[outcross.policies]\n" + points)

    monkeypatch.syspath_prepend(str(place))
    return install


def test_a_package_offers_parts_by_entry_points_which_list_names_and_run_imports(place, package, capsys):
    package("theirs", "old_and_new = parts_of_mine:OldAndNew\nreplace = parts_of_mine:Loose\nother = parts_of_mine:OldAndNew\n")
    code, said, _ = command("list", "policies", capsys=capsys)
    plain = " ".join(said.split())
    assert code == 0 and not has_run(place)
    assert "old_and_new A share of human records, and the newest for the rest. From theirs 1.0." in plain
    assert "Hidden by the built-in part of this name." in plain
    settings = {"name": "x", "human": {"distribution": "normal", "rows": 30}, "learner": "gaussian", "draw": {"prompts": "none"}}
    assert not POLICIES.keys() & {"old_and_new"}
    run = outcross.run(settings, policy={"kind": "old_and_new", "share": 0.1}, generations=2, out="r").finish()
    assert has_run(place) and run.experiment["policy"] == {"kind": "old_and_new", "share": 0.1}
    assert type(outcross.run(settings, policy="replace").arms[0].experiment.policy).__module__ == "outcross.policies.replace"
    with pytest.raises(BadInput, match=r"the entry point other of theirs 1\.0 names OldAndNew, which is called old_and_new"):
        outcross.run(settings, policy="other")
    own_parts.forget(["parts_of_mine", "near_by"])
    (place / "ran").unlink(missing_ok=True)
    opened = outcross.open("r")
    assert opened.experiment["policy"]["kind"] == "old_and_new" and not has_run(place)


def test_two_parts_of_one_name_are_refused(place, package):
    package("theirs", "old_and_new = parts_of_mine:OldAndNew\n")
    package("others", "old_and_new = other_parts:OldAndNew\n")
    settings = {"name": "x", "human": {"distribution": "normal", "rows": 30}, "learner": "gaussian", "draw": {"prompts": "none"}}
    with pytest.raises(
        BadInput, match=r"two parts are called 'old_and_new', from others 1\.0 and theirs 1\.0; uninstall one, or name the class"
    ):
        outcross.run(settings, policy="old_and_new")
    (place / "deeper").mkdir()
    (place / "deeper/parts_of_mine.py").write_text(PARTS)
    with pytest.raises(BadInput, match=r"another module called parts_of_mine is at .*; rename the file"):
        outcross.run("my.yaml", imports=["parts_of_mine.py", "deeper/parts_of_mine.py"])
    (place / "spread.py").write_text(
        PARTS.replace('"breadth"', '"log_variance"').replace("class Breadth", "class Breadths").replace("near_by", "near_by")
    )
    with pytest.raises(
        BadInput, match=r"Breadths \(spread\.py, line \d+\) calls a reading log_variance, as fitted_law does; rename it"
    ):
        outcross.run("my.yaml", policy="replace", metrics=["+spread.py:Breadths"], imports=["spread.py"])


WRONG_DETECTORS = {
    "def reader(self, given):\n        return lambda texts: np.zeros((3, 1))": r"the result of One\.reader \(one\.py, line 11\) must turn \d+ texts into features with \d+ rows, got shape \(3, 1\)",
    "def fit(self, features, is_model, groups, rng):\n        return 3": r"One\.fit \(one\.py, line 11\) must return a fitted detector, which has score\(features\), got 3",
    "def fit(self, features, is_model, groups, rng):\n        return features + 'a'": r"One\.fit \(one\.py, line 12\) raised .*Error",
    "def fit(self, features):\n        return features": r"One \(one\.py, line 8\) has One\.fit \(one\.py, line 11\) with the arguments \(self, features\)",
}


@pytest.mark.parametrize("method", WRONG_DETECTORS)
def test_a_wrong_detector_is_one_line_with_its_class_file_and_line(method, place):
    given = (
        "" if "def reader" in method else "\n\n    def reader(self, given):\n        return lambda texts: np.ones((len(texts), 1))"
    )
    fit = "" if "def fit" in method else "\n\n    def fit(self, features, is_model, groups, rng):\n        return self"
    (place / "one.py").write_text(
        "import numpy as np\n\nfrom outcross.detectors import Detector, DetectorPage\nfrom outcross.recipe import recipe\n\n\n"
        f"@recipe\nclass One(Detector):\n    '''One.'''\n    page = DetectorPage('one', 'One.', 'All.', 'ours')\n    {method}{given}{fit}\n"
    )
    rng = np.random.default_rng(0)
    people, model = ({"text": [" ".join(f"w{word}" for word in rng.integers(900, size=20)) for _ in range(60)]} for _ in range(2))
    with pytest.raises(BadInput) as refused:
        outcross.detect(model, human=people, ai=model, detector="one.py:One", imports=["one.py"])
    assert re.search(WRONG_DETECTORS[method], str(refused.value)) and "\n" not in str(refused.value)


def test_a_detector_and_a_classifier_are_listed_and_not_run(place, capsys):
    (place / "judges.py").write_text(
        "from outcross.classifiers import Classifier\nfrom outcross.detectors import Detector\n1 / 0\n\nclass Mine(Detector):\n    '''It detects.'''\n\n"
        "class Other(Classifier):\n    '''It classifies.'''\n    paper = 'ours'\n"
    )
    for family, name in (("detectors", "judges.py:Mine"), ("classifiers", "judges.py:Other")):
        code, said, _ = command("list", family, "--import", "judges.py", capsys=capsys)
        assert code == 0 and name in said
    code, _, error = command(
        "detect", "judges.py", "--human", "judges.py", "--detector", "judges.py:Mine", "--import", "judges.py", capsys=capsys
    )
    assert code == 2 and "--import judges.py cannot be imported: ZeroDivisionError: division by zero (judges.py, line 3)" in error
