"""Bad input is refused in one line that names the value, the rule and the way out; nothing is half-written."""

import gzip
import json

import numpy as np
import polars
import pytest
from conftest import Started, write_tiny
from conftest import outcross as in_a_process

import outcross
from outcross.cli import main
from outcross.errors import BadInput

pytestmark = pytest.mark.usefixtures("without_charts")

GAUSSIAN = """
name: g
human: {distribution: normal, rows: 20}
learner: gaussian
draw: {prompts: none}
generations: 2
chains: 10
"""


COMMANDS = ("run", "audit", "mix", "detect", "forecast", "reproduce", "report", "show", "export", "card", "list")


def refused(capsys, *arguments, code=2) -> str:
    """The one line of a command that is refused."""
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert stopped.value.code == code, printed.err
    assert printed.out == ""
    assert printed.err.startswith("outcross: ") and printed.err.count("\n") == 1, printed.err
    assert "Traceback" not in printed.err
    return printed.err


EXPERIMENTS = {
    "polcy: replace": "polcy is not known; did you mean 'policy'?",
    "policy: replase": "unknown policy 'replase'; did you mean 'replace'?",
    "policy: {kind: human_share, share: 30}": "policy.share must be at most 1, got 30; write 0.3 for 30 %",
    "policy: {kind: human_share, share: -0.1}": "policy.share must be at least 0, got -0.1",
    "policy: {kind: human_share, share: .nan}": "policy.share must be a finite number, got nan",
    "policy: {kind: human_share}": "policy.share is needed",
    "policy: {kind: human_share, shrae: 0.1}": "policy.shrae is not known; did you mean 'share'?",
    "policy: {kind: weighted, weight: golden}": "variance is 1.171/n",
    "policy: [replace]": "policy must be one of replace",
    "policy: {kind: fresh, human: 0}": "policy.human must be at least 1, got 0",
    "generations: 0": "generations must be at least 1, got 0",
    "generations: -3": "generations must be at least 1, got -3",
    "generations: many": "generations must be a valid integer",
    "chains: 0": "chains must be at least 1",
    "rows: {grow: -1}": "rows",
    "rows: {shrink: 2}": "rows must be constant, online, a whole number from 1 or {grow: 1.5}",
    "draw: {temperature: -1}": "draw.temperature must be at least 0, got -1",
    "draw: {top_p: 0}": "draw.top_p must be above 0, got 0",
    "draw: {tempratur: 1}": "tempratur is not known; did you mean 'temperature'?",
    "seed: 1\nseed: 2": "the key 'seed' is given twice",
    "learner: {kind: gaussian, divisor: 7}": "learner.divisor must be 'n' or 'n-1', got 7",
    "training: {steps: 5}": "training has no meaning for gaussian",
    "metrics: [fited_law]": "unknown metrics 'fited_law'; did you mean 'fitted_law'?",
    "metrics: spread": "metrics must be a list",
    "human: {distribution: normal, rows: 0}": "human.rows must be at least 1, got 0",
    "human: {distribution: normal, dimensions: -2}": "human.dimensions must be at least 1",
    "human: {rows: 3}": "human must say where the data come from",
    "sweep: {policy: replace}": "sweep must map keys to lists",
    "sweep: {chains: []}": "sweep must map keys to lists",
    "arms: replace": "arms must be a list",
    "arms: [{policy: replace}, {policy: replace}]": "two arms have the same name and seed",
    "arms: [{name: ../../x, policy: replace}]": "an arm cannot be called '../../x'",
    "name: ../x": "name must",
    "policy: !!python/object/apply:os.system ['true']": "could not determine a constructor",
    "? [a, b]\n: c": "a key must be a plain word",
    "policy: &a [*a]": "an alias of itself",
    "{": "line",
}


@pytest.mark.parametrize("change", EXPERIMENTS, ids=lambda change: change.replace("\n", " ")[:40])
def test_a_bad_experiment_file_is_refused(change, tmp_path, capsys):
    key = change.split(":")[0]
    kept = [line for line in GAUSSIAN.strip().splitlines() if line.split(":")[0] != key]
    spec = tmp_path / "bad.yaml"
    spec.write_text("\n".join([*kept, change]))
    assert EXPERIMENTS[change] in refused(capsys, "run", spec, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no experiment"),
        (b"\xff\xfe\x00", "is not UTF-8 text (byte 0)"),
        (b"just words", "holds no experiment"),
        (b"- a\n- b", "holds no experiment"),
        (b"a: \x07", "not"),
        (b"x: 1\n" * 300_000, "holds more than 1,000,000 bytes; give an experiment file"),
    ],
)
def test_a_file_that_is_no_experiment_is_refused(content, message, tmp_path, capsys):
    (tmp_path / "bad.yaml").write_bytes(content)
    assert message in refused(capsys, "run", tmp_path / "bad.yaml", "--out", tmp_path / "run")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "gausian"], "did you mean 'gaussian'?"),
        (["run", "gaussian", "generations"], "is not a setting; write key=value"),
        (["run", "gaussian", "policy.share=0.1"], "policy.share is set by the arms of gaussian; add arms=null"),
        (["run", "gaussian", "arms=null", "policy.share=0.1"], "policy.share is not known"),
        (["run", "gaussian", "name.first=x"], "name"),
        (["run", "gaussian", "chains=[1"], "the value is not valid YAML"),
        (["run", "gaussian", "--workers", "0"], "--workers must be at least 1, got 0"),
        (["run", "gaussian", "--wrokers", "2"], "--wrokers. Did you mean --workers?"),
        (
            ["run", "gaussian", "--seed", "3"],
            "there is no option --seed; write a key of the experiment without --, as seed=VALUE",
        ),
        (["card", "data", "--license"], "--license needs a value; `outcross card --help` describes it"),
        (["detect", "a.csv", "--human", "b.csv", "--by", "c"], "--by needs --ai, because a slice of the data has no share"),
        (["show", "nowhere"], "there is no experiment or file 'nowhere'"),
        (["audit", "a.csv", "b.csv", "--reference", "c.csv", "--workers", "0"], "--workers must be at least 1, got 0"),
        (["run"], "run needs --spec; `outcross run --help` describes it"),
        (["report"], "report needs a folder of a run or an audit"),
        (["report", "nowhere"], "there is no folder nowhere; check the path"),
        (["show", "nowhere"], "nowhere"),
        (["list", "polices"], "did you mean 'policies'?"),
        (["frobnicate"], "frobnicate"),
        (["run", "gaussian", "generations=3", "generations=4"], "generations is given twice; give it once"),
        (["show", "gaussian", "policy.share=0.1", "policy.share=0.2"], "policy.share is given twice"),
        (["forecast", "gaussian", "--ahead", "7", "ahead=9"], "ahead is given twice"),
        (["forecast", "gaussian", "ahead=7", "ahead=9"], "ahead is given twice"),
        (["forecast", "gaussian", "--width", "0.1", "width=0.2"], "width is given twice"),
        (["forecast", "gaussian", "--settings", "chains=2", "chains=3"], "chains is given twice"),
        (["forecast", "gaussian", "--budgets", "w2=1.2", "budget.w2=1.3"], "budget.w2 is given twice"),
        *(
            (["forecast", "gaussian", f"shares={shares}", "shares=0:0.5:0.1"], "shares is given twice")
            for shares in ("0:1:0.1", "")
        ),
        *(([command, ""], "argument 2 is empty") for command in COMMANDS),
        *(([command, "--out", ""], "--out is empty") for command in COMMANDS),
        *(([command, "--out="], "--out is empty") for command in COMMANDS),
    ],
)
def test_a_bad_command_line_is_refused(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, *arguments)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: outcross.reproduce(""), "claims is empty"),
        (lambda: outcross.reproduce("gaussian-variance", out=""), "out is empty"),
        (lambda: outcross.forecast(["runs/a", ""]), "is neither the folder of a run nor an experiment"),
        (lambda: outcross.report(""), "is empty"),
        (lambda: outcross.show(""), "what is empty"),
        (lambda: outcross.audit("human.csv", reference=""), "reference is empty"),
        (lambda: outcross.mix("", out="train"), "spec is empty"),
        (lambda: outcross.mix("mix.yaml", out=""), "out is empty"),
        (lambda: outcross.run("", out="run"), "spec is empty"),
        (lambda: outcross.run("gaussian", out=""), "out is empty"),
        (lambda: outcross.export("run", to="csv", out=""), "out is empty"),
    ],
)
def test_an_empty_text_in_python_is_refused(ask, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=message):
        ask()
    assert not [*tmp_path.iterdir()]


TEXTS = {
    "empty.txt": (b"", "is empty"),
    "spaces.txt": (b" \n\n \n", "is empty"),
    "line.txt": (b"only one line\n", "holds 1 document, but splitting needs at least 2"),
    "latin.txt": ("Zürich\n\n".encode("latin-1") * 900, "is not UTF-8 text (byte 1, line 1)"),
    "binary.txt": (b"\x7fELF\0\0\1" * 900, "is not text (a zero byte at 4)"),
    "short.txt": (b"a few words only\n\n" * 300, "lower human.rows"),
    "cut.txt.gz": (gzip.compress(b"words and words\n\n" * 9000)[:60], "is not a whole gzip file"),
    "notgz.txt.gz": (b"plain", "is not a whole gzip file"),
    "cut.parquet": (b"PAR1\0\0", "is not a whole .parquet file"),
    "bad.jsonl": (b'{"text": "a"}\n{"text": \n', "is not JSON with one record per line: line 2"),
    "table.csv": (b"a,b\n1,2\n", "is a table; write human.text_column=NAME, one of a, b"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_bad_text_file_is_refused(name, tmp_path, capsys):
    content, message = TEXTS[name]
    (tmp_path / name).write_bytes(content)
    write_tiny(tmp_path)
    line = refused(capsys, "run", tmp_path / "tiny.yaml", f"human={{path: {tmp_path / name}, rows: 60}}", "--out", tmp_path / "run")
    assert message in line
    assert not (tmp_path / "run").exists()
    assert (tmp_path / name).read_bytes() == content


def test_a_column_that_is_not_there_is_refused_with_the_nearest(tmp_path, capsys):
    write_tiny(tmp_path)
    polars.DataFrame({"text": ["words"] * 9, "lang": ["en"] * 9}).write_parquet(tmp_path / "t.parquet")
    line = refused(
        capsys, "run", tmp_path / "tiny.yaml", f"human={{path: {tmp_path}/t.parquet, text_column: txt}}", "--out", tmp_path / "run"
    )
    assert "has no column 'txt'; did you mean 'text'?" in line


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([[1.0, np.nan]] * 50), "holds nan at row 0, column 1"),
        (np.array([1.0] * 49 + [np.inf]), "holds inf at row 49, column 0"),
        (np.array(["a", "b"]), "must hold numbers"),
        (np.zeros((3, 3, 3)), "holds 3 rows, but human.rows=20 needs twice as many"),
        (np.zeros((0, 2)), "must hold numbers of shape (n, d)"),
        (np.array([{"a": 1}], dtype=object), "is not a whole .npy or .npz file"),
        (np.zeros(30), "holds 30 rows, but human.rows=20 needs twice as many"),
    ],
)
def test_a_bad_array_is_refused(array, message, tmp_path, capsys):
    np.save(tmp_path / "points.npy", array, allow_pickle=True)
    (tmp_path / "g.yaml").write_text(
        GAUSSIAN.replace("chains: 10", "").replace(
            "{distribution: normal, rows: 20}", f"{{array: {tmp_path}/points.npy, rows: 20}}"
        )
    )
    assert message in refused(capsys, "run", tmp_path / "g.yaml", "--out", tmp_path / "run")


def test_points_in_a_file_are_learned_and_compared_with_held_out_ones(tmp_path, capsys):
    np.save(tmp_path / "points.npy", np.random.default_rng(0).standard_normal((500, 2)) * [1, 5] + 3)
    (tmp_path / "g.yaml").write_text(
        GAUSSIAN.replace("chains: 10", "").replace(
            "{distribution: normal, rows: 20}", f"{{array: {tmp_path}/points.npy, rows: 150}}"
        )
    )
    main_ok(["run", str(tmp_path / "g.yaml"), "--out", str(tmp_path / "run"), "--quiet"])
    first = polars.read_parquet(tmp_path / "run" / "readings.parquet").filter(measure="spread_ratio", generation=0)["value"][0]
    assert 0.7 < first < 1.4  # two samples of 150: the ratio of their variances has a standard deviation of about 0.16


def main_ok(arguments):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 0


def test_fresh_human_records_that_run_out_are_refused_with_the_count(tmp_path, capsys):
    np.save(tmp_path / "points.npy", np.arange(100.0))
    spec = GAUSSIAN.replace("chains: 10", "policy: {kind: fresh, human: 30}").replace("generations: 2", "generations: 4")
    (tmp_path / "g.yaml").write_text(
        spec.replace("{distribution: normal, rows: 20}", f"{{array: {tmp_path}/points.npy, rows: 20}}")
    )
    line = refused(capsys, "run", tmp_path / "g.yaml", "--out", tmp_path / "run", "--quiet")
    assert "takes 30 more for generation 2, when 10 in reserve are left" in line
    verbs = {json.loads(entry).get("verb") for entry in (tmp_path / "run" / "ledger.jsonl").read_text().splitlines()}
    assert verbs - {None} == {"gather"}  # refused before the work begins


def test_a_folder_that_is_no_run_is_left_alone(tmp_path, capsys):
    (tmp_path / "precious.txt").write_text("mine")
    (tmp_path / "g.yaml").write_text(GAUSSIAN)
    assert "exists and is not a run" in refused(capsys, "run", tmp_path / "g.yaml", "--out", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g.yaml", "precious.txt"]


def test_a_full_disk_is_one_clear_error_and_the_run_goes_on_afterwards(tmp_path):
    write_tiny(tmp_path)
    command = ["run", tmp_path / "tiny.yaml", "--out", tmp_path / "run", "--workers", 1, "--quiet"]
    full = Started("outcross", *command, limits={"RLIMIT_FSIZE": 60_000}).completed()  # the text fits, the network does not
    assert full.returncode == 3, full.stderr
    assert full.stderr.startswith("outcross: ") and full.stderr.count("\n") == 1 and "free space" in full.stderr
    assert not list((tmp_path / "run" / "steps").glob(".writing-*"))
    freed = in_a_process(*command)
    assert freed.returncode == 0, freed.stderr
