"""A contract of every command: its options are the fields of its question, its Python function takes the same, and --json is the result's plain()."""

import dataclasses
import inspect
import json
import subprocess
import sys

import numpy as np
import polars
import pytest
from conftest import write_tiny

import outcross
from outcross.cli import app, main
from outcross.errors import BadInput
from outcross.verbs.audit.plan import ColumnPlan
from outcross.verbs.audit.question import SETTINGS, AuditQuestion
from outcross.verbs.card.question import CardQuestion
from outcross.verbs.card.result import Card
from outcross.verbs.detect.question import DetectQuestion
from outcross.verbs.export.question import ExportQuestion
from outcross.verbs.export.result import Export
from outcross.verbs.forecast.question import ForecastQuestion
from outcross.verbs.list import ListQuestion, Parts
from outcross.verbs.mix.finished.changes import Changes
from outcross.verbs.mix.finished.composition import Composition
from outcross.verbs.mix.finished.trace import Trace
from outcross.verbs.mix.question import MixQuestion
from outcross.verbs.mix.result import Mix
from outcross.verbs.report import Report, ReportQuestion
from outcross.verbs.reproduce.question import ReproduceQuestion
from outcross.verbs.results import Result
from outcross.verbs.run.question import RunQuestion
from outcross.verbs.show import Described, ShowQuestion

COMMANDS = {
    "run": (RunQuestion, outcross.run),
    "audit": (AuditQuestion, outcross.audits),
    "mix": (MixQuestion, outcross.mix),
    "report": (ReportQuestion, outcross.report),
    "show": (ShowQuestion, outcross.show),
    "export": (ExportQuestion, outcross.export),
    "card": (CardQuestion, outcross.card),
    "detect": (DetectQuestion, outcross.detect),
    "forecast": (ForecastQuestion, outcross.forecast),
    "list": (ListQuestion, outcross.parts),
    "reproduce": (ReproduceQuestion, outcross.reproduce),
}
RESULTS = {
    "run": outcross.Run,
    "audit": outcross.Audits,
    "mix": Mix,
    "report": Report,
    "export": Export,
    "card": Card,
    "detect": outcross.Detection,
    "forecast": outcross.Forecast,
    "list": Parts,
    "reproduce": outcross.Reproduction,
}
"""What the function of a command returns; `show` returns what it finds."""
NEEDED = {
    "run": {"spec": "x"},
    "mix": {"spec": "x"},
    "show": {"what": "x"},
    "export": {"result": "x", "to": "transformers", "out": "y"},
    "card": {"data": "x"},
}
"""What a question cannot be asked without."""
IN_PYTHON = {"import": "imports"}
"""Options whose name is a word of Python, by the name that Python gives them."""
HOW_LOUD = {"quiet", "json"}
"""Options that say how loud a command is; they are no part of a question."""


def options(command: str) -> dict[str, str]:
    """The options of a command with their help, by the name that Python gives them."""
    arguments = app[command].assemble_argument_collection(parse_docstring=True)
    names = [(argument.name.lstrip("-").replace("-", "_"), argument) for argument in arguments if argument.show]
    return {IN_PYTHON.get(name, name): argument.parameter.help or "" for name, argument in names}


def fields(question: type) -> list[str]:
    return [field.name for field in dataclasses.fields(question)]


def shown(*words: object, capsys) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(list(map(str, words)))
    printed = capsys.readouterr()
    return int(stopped.value.code or 0), printed.out, printed.err


@pytest.fixture
def place(tmp_path):
    rng = np.random.default_rng(0)
    human = polars.DataFrame({"age": rng.normal(size=300), "job": [f"job {i % 7}" for i in range(300)]})
    human.write_csv(tmp_path / "human.csv")
    human.with_columns(polars.col("age") * 0.5).write_csv(tmp_path / "narrow.csv")
    (tmp_path / "e.yaml").write_text(
        "{name: e, human: {distribution: normal, rows: 20}, learner: gaussian, draw: {prompts: none}, generations: 2, chains: 10}"
    )
    return tmp_path


def test_every_command_is_in_this_contract():
    assert {name for name in app if not name.startswith("-")} == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_options_of_a_command_are_the_fields_of_its_question(command):
    assert set(options(command)) - HOW_LOUD == set(fields(COMMANDS[command][0]))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_and_every_command_has_help(command):
    assert all(options(command).values()), [name for name, help_text in options(command).items() if not help_text]
    assert app[command].help == COMMANDS[command][0].__doc__


@pytest.mark.parametrize("command", COMMANDS)
def test_the_python_function_takes_the_names_of_the_command_line(command):
    question, function = COMMANDS[command]
    assert list(inspect.signature(function).parameters) == fields(question)
    with pytest.raises(BadInput, match="no option"):
        function(**{"no_such_option": 1})


@pytest.mark.parametrize("command", [name for name in app if not name.startswith("-")])
def test_the_function_of_a_command_is_public_and_returns_a_result_of_the_one_protocol(command):
    question, function = COMMANDS[command]
    assert function in {getattr(outcross, name) for name in outcross.__all__}
    kind = RESULTS.get(command, Described)
    assert issubclass(kind, Result) and kind.__name__ in str(inspect.get_annotations(inspect.unwrap(function)).get("return"))
    if command == "audit":
        assert set(inspect.signature(outcross.audit).parameters) == set(fields(question))


@pytest.mark.parametrize(
    "kind", [*RESULTS.values(), Described, outcross.Audit, outcross.ShareCurve, Composition, Changes, Trace, ColumnPlan]
)
def test_every_result_answers_the_protocol_in_its_own_words(kind):
    assert issubclass(kind, Result) and not inspect.isabstract(kind)
    assert kind.__repr__ is Result.__repr__ and kind.short.__doc__ and kind.frame.__doc__


@pytest.mark.parametrize("command", COMMANDS)
def test_a_question_is_frozen(command):
    question = COMMANDS[command][0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(question(**NEEDED.get(command, {})), fields(question)[0], "y")


def test_the_json_of_a_run_is_what_run_and_open_give(place, capsys):
    code, out, _ = shown("run", place / "e.yaml", "chains=5", "--out", place / "run", "--json", capsys=capsys)
    assert code == 0 and json.loads(out) == plain(outcross.open(place / "run"))
    again = outcross.run(place / "e.yaml", {"chains": 5}, out=place / "run").finish()
    assert plain(again) == json.loads(out)
    _, out, _ = shown("show", place / "run", "--json", capsys=capsys)
    assert json.loads(out) == plain(outcross.show(place / "run"))


def files_of(folder) -> dict[str, object]:
    """Every file of a folder with its bytes, every link with its target; without the times, which no promise covers, and the locks."""
    left_out = ("timing.jsonl", ".lock")
    paths = [path for path in folder.rglob("*") if not path.name.endswith(left_out) and (path.is_symlink() or path.is_file())]
    return {str(path.relative_to(folder)): path.readlink() if path.is_symlink() else path.read_bytes() for path in paths}


def test_a_run_in_python_leaves_the_folder_that_the_command_leaves(place, capsys, monkeypatch):
    recipe = "{name: e, human: {distribution: normal, rows: 20}, learner: gaussian, draw: {prompts: none}, generations: 2, chains: 4, metrics: [fitted_law], store: all, policy: {kind: human_share}, sweep: {seed: [0, 1]}}"
    for name in ("command", "python"):
        (place / name).mkdir()
        (place / name / "e.yaml").write_text(recipe)
    monkeypatch.chdir(place / "command")
    code, *_ = shown("run", "e.yaml", "policy.share=0.2", "--out", "run", capsys=capsys)
    monkeypatch.chdir(place / "python")
    run = outcross.run("e.yaml", out="run", workers=2, settings={"policy.share": 0.2}).finish()
    assert code == 0 and isinstance(run, outcross.Run) and not run.unfinished
    left = [files_of(place / name / "run") for name in ("command", "python")]
    assert left[0].keys() == left[1].keys() and {"report.html", "readings.parquet", "experiment.yaml"} < left[0].keys()
    assert [name for name in left[0] if left[0][name] != left[1][name]] == []


def test_an_audit_in_python_leaves_the_folder_that_the_command_leaves(place, capsys):
    words = ("audit", place / "narrow.csv", "--reference", place / "human.csv", "--aspects", "spread")
    code, *_ = shown(*words, "--out", place / "one", "--quiet", capsys=capsys)
    audit = outcross.audit(place / "narrow.csv", name="narrow", reference=place / "human.csv", aspects="spread", out=place / "two")
    left = [files_of(place / name) for name in ("one", "two")]
    assert code == 0 and audit.lost == ["spread"] and left[0].keys() == left[1].keys() and "report.html" in left[0]
    assert [name for name in left[0] if left[0][name] != left[1][name]] == []
    plan = outcross.audit(place / "narrow.csv", reference=place / "human.csv", plan=True)
    _, out, _ = shown(*words, "--plan", "--json", capsys=capsys)
    assert isinstance(plan, ColumnPlan) and json.loads(out)["plan"][0]["columns"] == plain(plan)["plan"][0]["columns"]


def test_the_json_of_an_audit_is_what_audits_gives(place, capsys):
    asked = {"reference": place / "human.csv", "aspects": "spread", "kinds": {"job": "category"}, "margins": {"spread": 0.9}}
    words = "audit", place / "narrow.csv", "--reference", place / "human.csv", "--aspects", "spread", "--kinds", "job=category"
    code, out, _ = shown(*words, "--margins", "spread=0.9", "--out", place / "audit", "--json", capsys=capsys)
    audits = outcross.audits([place / "narrow.csv"], **asked)
    assert code == 0 and json.loads(out) == plain(audits)
    assert json.loads(out) == plain(outcross.audit(place / "narrow.csv", name="narrow", **asked))
    _, out, _ = shown("show", place / "audit", "--json", capsys=capsys)
    assert json.loads(out) == plain(outcross.show(place / "audit")) == plain(audits)


def test_several_sets_are_one_result_with_their_ranking(place, capsys):
    sets = place / "narrow.csv", place / "human.csv"
    code, out, _ = shown("audit", *sets, "--reference", place / "human.csv", "--aspects", "spread", "--json", capsys=capsys)
    audits = outcross.audits({"narrow": str(sets[0]), "human": str(sets[1])}, reference=place / "human.csv", aspects="spread")
    assert code == 0 and json.loads(out) == plain(audits) and audits.frame()["set"].unique().sort().to_list() == ["human", "narrow"]
    assert audits.report(place / "both.html").is_file()


def test_the_json_of_a_mix_and_of_its_plan_is_what_mix_and_show_give(place, capsys):
    spec = {
        "pools": [
            {"name": "human", "path": str(place / "human.csv"), "origin": "human"},
            {"name": "narrow", "path": str(place / "narrow.csv"), "origin": {"model": "gpt-x"}},
        ],
        "rows": 100,
        "human_share": 0.3,
    }
    (place / "mix.yaml").write_text(json.dumps(spec))
    code, out, _ = shown("mix", place / "mix.yaml", "--plan", "--json", capsys=capsys)
    assert code == 0 and json.loads(out) == plain(outcross.mix(place / "mix.yaml", plan=True)) == plain(
        outcross.mix(spec, plan=True)
    )
    code, out, _ = shown("mix", place / "mix.yaml", "--out", place / "mix", "--json", capsys=capsys)
    again = outcross.mix(**spec, out=place / "mix")
    assert isinstance(again, Mix) and code == 0 and json.loads(out) == plain(again)
    _, out, _ = shown("show", place / "mix", "--json", capsys=capsys)
    assert json.loads(out) == plain(outcross.show(place / "mix")) == plain(again)


def test_the_json_of_card_of_a_row_and_of_a_report_of_two_mixes_is_what_their_functions_give(place, capsys):
    pools = [{"name": "human", "path": str(place / "human.csv"), "origin": "human"}]
    first, second = (outcross.mix(pools=pools, rows=rows, out=place / f"mix-{rows}") for rows in (200, 100))
    code, out, _ = shown("card", place / "mix-200", "--groups", "job", "--json", capsys=capsys)
    card = outcross.card(place / "mix-200", groups=["job"])
    assert isinstance(card, Card) and code == 0 and json.loads(out) == plain(card)
    record = second.frame()["_id"][0]
    _, out, _ = shown("show", place / "mix-100", "--id", record[:12], "--json", capsys=capsys)
    assert json.loads(out) == plain(outcross.show(place / "mix-100", id=record))
    _, out, _ = shown("report", place / "mix-200", place / "mix-100", "--json", capsys=capsys)
    assert json.loads(out) == plain(outcross.report([first.folder, second.folder]))


def test_the_json_of_report_show_and_list_is_what_their_functions_give(place, capsys):
    outcross.run(place / "e.yaml", out=place / "run").finish()
    _, out, _ = shown("report", place / "run", "--json", capsys=capsys)
    page = outcross.report(place / "run")
    assert isinstance(page, Report) and json.loads(out) == page.plain() and page.path.is_file()
    _, out, _ = shown("show", place / "e.yaml", "generations=3", "--json", capsys=capsys)
    described = outcross.show(place / "e.yaml", {"generations": 3})
    assert isinstance(described, Described) and json.loads(out) == plain(described)
    _, out, _ = shown("list", "laws", "--json", capsys=capsys)
    listed = outcross.parts("laws")
    assert isinstance(listed, Parts) and json.loads(out) == plain(listed)


def test_the_json_of_export_is_what_its_function_gives(tmp_path, capsys):
    for package in ("torch", "transformers"):
        pytest.importorskip(package)
    outcross.run(write_tiny(tmp_path), {"generations": 1, "metrics": ["decoding"]}, out=tmp_path / "run").finish()
    asked = tmp_path / "run", "--to", "transformers", "--out", tmp_path / "model"
    code, out, _ = shown("export", *asked, "--json", capsys=capsys)
    again = outcross.export(tmp_path / "run", to="transformers", out=tmp_path / "model")
    assert isinstance(again, Export) and code == 0 and json.loads(out) == plain(again)
    code, out, _ = shown("export", *asked, capsys=capsys)
    assert code == 0 and out == f"transformers: generation 0 of replace, seed 0, in {tmp_path / 'model'}\n"


def test_a_run_finds_the_audits_that_are_stored_in_it_and_beside_it(place):
    run = outcross.run(place / "e.yaml", out=place / "run").finish()
    assert run.audits == {}
    for out in ("run-audit", "other"):
        outcross.audits([place / "narrow.csv"], reference=place / "human.csv", aspects="spread", out=place / out)
    (entry,) = outcross.open(place / "run").audits.items()
    assert entry[0] == place / "run-audit" and entry[1][0].lost == ["spread"]


def test_a_file_of_thresholds_takes_the_names_of_the_options(place):
    assert set(SETTINGS) < set(fields(AuditQuestion))
    (place / "thresholds.yaml").write_text("margins: {spread: 0.001}\nkinds: {job: category}\naspects: [spread, tails]\n")
    question = AuditQuestion(thresholds=place / "thresholds.yaml", aspects="spread", margins={"tails": 0.5})
    assert question.settings() == {
        "margins": {"spread": 0.001, "tails": 0.5},
        "kinds": {"job": "category"},
        "aspects": ("spread",),
    }


def test_a_command_without_work_loads_no_heavy_library():
    script = "import sys, outcross.cli; print([name for name in ('numpy', 'polars', 'torch', 'sklearn', 'pydantic', 'ray') if name in sys.modules])"
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"


def plain(result) -> dict:
    """What --json prints of a result, read back."""
    return json.loads(json.dumps(result.plain(), allow_nan=False))
