"""What the documentation says can be done: commands are run or at least understood, Python runs, links lead somewhere, and files hold what their page says."""

import ast
import json
import os
import random
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import build_docs
import polars
import pytest
from conftest import outcross as command

from outcross.cli import app, main

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / ".agents" / "skills" / "outcross" / "SKILL.md"]
PAGES = [page for page in PAGES if "design" not in page.parts]

SMALL = "human.rows=20 chains=5 generations=2"
RUN = {
    "outcross run gaussian": f"outcross run gaussian {SMALL} --out runs/small",
    "outcross show gaussian": "outcross show gaussian",
    "outcross run my.yaml": "outcross run my.yaml --workers 1 --out runs/third",
    "outcross report runs/stdlib runs/long": "outcross report runs/first runs/second",
    "outcross show runs/stdlib --json": "outcross show runs/first --json",
    "outcross list": "outcross list",
    "outcross audit synthetic.csv --reference human.csv --plan": "outcross audit synthetic.csv --reference human.csv --plan",
    "outcross audit new.csv --reference human.csv --fail-on tails,groups --quiet": "outcross audit synthetic.csv --reference human.csv --aspects groups --fail-on groups --quiet",
    "outcross mix mix.yaml --plan": "outcross mix mix.yaml --plan",
    "outcross mix mix.yaml --out train": "outcross mix mix.yaml --out train",
    "outcross card train": "outcross card train",
    "outcross reproduce": "outcross reproduce",
}
"""Commands of the README, and the small form in which each is run here, in this order."""
ELSEWHERE = {
    "outcross run stdlib": "it trains networks for minutes; the tests that call write_tiny run a small transformer",
    "outcross run shakespeare": "it trains networks for minutes; the tests that call write_tiny run it on the text of a file",
    "outcross run nature-lm": "it trains a language model; tests/test_causal_lm.py trains a small one",
    "outcross run vae": "it trains networks for minutes; tests/test_vae.py runs a small one",
    "outcross run selection": "it takes minutes; tests/test_selecting_in_the_loop.py runs small ones",
    "outcross run surpass": "it takes minutes; tests/laws/test_surpass.py runs small ones",
    "outcross run sculpt": "it takes minutes; tests/test_sculpt.py runs small ones",
    "outcross run community": "it takes half a minute; tests/test_teachers.py and tests/laws/test_lines.py run small ones",
    "outcross run fairness-mnist": "it takes a minute; tests/test_labelling.py runs small ones",
    "outcross run my.yaml --import": "it needs the file of parts; tests/test_tutorial_own_parts.py runs one",
    "outcross export": "it needs a network that was trained; tests/test_export.py exports one",
    "outcross audit": "each option of an audit has tests of its own, tests/test_audit*.py",
    "outcross show train --id": "the id is of a row of that mix; tests/test_trace.py traces rows",
    "outcross report train-1": "it compares two mixes; tests/test_changes.py compares them",
    "outcross report runs/stdlib --figures": "the figures of a run have tests of their own",
    "outcross reproduce seddik-replace": "tests/test_reproduce.py runs three cheap claims",
    "outcross reproduce --all": "it takes an hour; tests/test_reproduce.py runs three cheap claims",
    "outcross detect": "each option of it has tests of its own",
    "outcross forecast": "it needs a run of five generations; tests/test_forecast.py forecasts one, tests/test_forecast_planning.py plans small ones",
    "outcross mix": "each key of a mix has tests of its own, tests/test_mix*.py",
    "uvx": "it asks the package index; the test below runs it where OUTCROSS_UVX is set",
    "make": "it sets up an environment of its own",
}
"""Beginnings of the other commands, and why they are not run here."""


def commands(page: Path) -> list[str]:
    """The commands of a page: lines of code that open with outcross, uvx or make, without their comments."""
    text = re.sub(r"\\\n\s*", " ", page.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line.startswith("    ") or line.startswith("outcross ")]
    lines += [
        line for block in re.findall(r"```(?:sh|bash|console)\n(.*?)```", text, flags=re.DOTALL) for line in block.splitlines()
    ]
    stripped = [re.sub(r"\s+#.*$", "", line).strip().removeprefix("$ ") for line in lines]
    return [
        line for line in dict.fromkeys(stripped) if re.match(r"(outcross|uvx|make) ", line) and not line.startswith("outcross:")
    ]


def python_of(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_is_one_that_the_command_line_takes(page):
    for line in commands(page):
        words = shlex.split(re.sub(r"\$\w+", "1", line))
        words = words[words.index("outcross") :] if "outcross" in words else []
        if words and not {"…", "COMMAND", "SPEC", "RUN", "MIX"} & set(words[1:3]) and "[OPTIONS]" not in words:
            words = words[1 : next((at for at, word in enumerate(words) if word in (">", "|", "&&")), None)]
            app.parse_args(words, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_piece_of_python_of_a_page_is_python(page):
    for code in python_of(page):
        if not code.startswith(">>>"):
            ast.parse(code)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the files that the README speaks of, made small."""
    folder = tmp_path_factory.mktemp("readme")
    rng = random.Random(1)
    for name, cities, spread in (("human", ["Oslo"] * 3 + ["Hamar"], 1.0), ("synthetic", ["Oslo"], 0.7)):
        rows = [
            {
                "age": round(rng.gauss(40, 12 * spread), 1), "city": rng.choice(cities), "sex": rng.choice(["woman", "man"]),
                "race": rng.choice(["a", "b"]), "income": rng.choice(["low", "high"]),
            }
            for _ in range(200)
        ]  # fmt: skip
        polars.DataFrame(rows).write_csv(folder / f"{name}.csv")
    (folder / "mix.yaml").write_text(
        "pools:\n  - {name: human, path: human.csv, origin: human}\n  - {name: gpt, path: synthetic.csv, origin: {model: gpt-x}}\n"
        "rows: 100\nhuman_share: 0.3\nsplits: {train: 0.9, test: 0.1}\nfilters: [{kind: random, share: 0.9}]\nmatch: rows\n"
    )
    small = "human: {distribution: normal, rows: 20}\nlearner: gaussian\nchains: 5\ngenerations: 2\ndraw: {prompts: none}\n"
    (folder / "my.yaml").write_text(f"name: mine\n{small}sweep: {{policy: [replace, accumulate], seed: [0, 1]}}\n")
    before = Path.cwd()
    os.chdir(folder)
    ran("outcross run my.yaml sweep=null --workers 1 --quiet --out runs/first")
    shutil.copytree("runs/first", "runs/second")
    ran("outcross audit synthetic.csv --reference human.csv --groups city --aspects spread,groups --out audit --quiet")
    yield folder
    os.chdir(before)


def ran(line: str) -> int | str | None:
    """The exit code of a command, which is run in this process."""
    try:
        main(shlex.split(line)[1:])
    except SystemExit as end:
        return end.code
    return 0


def test_every_command_of_the_readme_is_run_in_a_small_form_or_is_known_not_to_be():
    asked = commands(ROOT / "README.md")
    assert len(asked) > 20
    for line in asked:
        assert line in RUN or any(line.startswith(beginning) for beginning in ELSEWHERE), (
            f"{line} is new: add it to RUN or to ELSEWHERE"
        )
    assert set(RUN) <= set(asked), "a command has left the README"


@pytest.fixture(scope="module")
def codes(place):
    """The exit code of each small form of a command of the README, all of which are run in the place."""
    return {line: ran(line) for line in RUN.values()}


def test_the_small_forms_of_the_commands_of_the_readme_run(place, codes):
    for line, code in codes.items():
        assert code == (1 if "--fail-on" in line else 0), line
    assert (place / "train" / "README.md").exists() and (place / "runs" / "compare.html").exists()


def test_the_python_of_the_readme_runs(place):
    first, *others = python_of(ROOT / "README.md")
    given = {"frame": polars.read_csv("synthetic.csv"), "human": polars.read_csv("human.csv")}
    given["outcross"] = __import__("outcross")
    exec(first, given)
    for code in others:
        exec(code.replace('"chains": 1000', '"chains": 5'), {})


def test_the_python_of_the_tutorials_runs(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for code in python_of(ROOT / "docs" / "tutorial" / "first-run.md"):
        exec(code, {})
    tables, audit = python_of(ROOT / "docs" / "tutorial" / "first-audit.md")
    exec(tables.replace("range(2000)", "range(200)"), {})
    exec(audit.replace('groups=("city",)', 'groups=("city",), aspects=("groups",)'), {})


def test_the_site_is_built_and_each_of_its_links_leads_somewhere(tmp_path):
    pytest.importorskip("zensical", reason="the extra docs is not installed")
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copyfile(ROOT / "zensical.toml", tmp_path / "zensical.toml")
    assert build_docs.main(tmp_path) == []
    site = tmp_path / "site"
    assert {str(path.with_suffix(".html").relative_to(site)) for path in site.rglob("*.md")} >= {
        "index.html",
        "reference/commands.html",
    }
    assert all((site / name).is_file() for name in re.findall(r"\]\(([^)]+)\)", (site / "llms.txt").read_text(encoding="utf-8")))


def test_a_broken_link_a_missing_anchor_and_a_script_of_another_machine_are_complaints(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a href="b.html">b</a><a href="#x">x</a><a href="#y" id="y">y</a><script src="https://example.org/s.js"></script>'
    )
    assert build_docs.complaints(tmp_path) == [
        "a.html loads https://example.org/s.js",
        "a.html links to b.html, which is not there",
        "a.html links to #x, and there is no such anchor",
    ]


FILES = (ROOT / "docs" / "reference" / "files.md").read_text(encoding="utf-8")


def test_every_file_of_a_result_is_in_the_reference(place, codes):
    for folder in ("runs/first", "audit", "train"):
        for path in (place / folder).iterdir():
            name = "data/" if path.name == "data" else "human-only/" if path.name == "human-only" else path.name
            assert (
                path.name.startswith(".")
                or f"`{name}" in FILES
                or path.name in ("README.md", "croissant.json")
                or "training-content" in name
            ), name


def test_every_field_of_a_table_or_an_object_is_in_the_reference(place, codes):
    audit = json.loads((place / "audit" / "audit.json").read_text())
    manifest = json.loads((place / "train" / "manifest.json").read_text())
    readings = polars.read_parquet(place / "runs" / "first" / "readings.parquet")
    for field in (*audit, *audit["checks"][0], *manifest, *readings.columns):
        assert f"`{field}`" in FILES, field


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs_and_is_kept_without_outputs(path, tmp_path):
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert any(cell.get("outputs") for cell in notebook.cells)


def test_the_skill_for_agents_names_every_command():
    skill = (ROOT / ".agents" / "skills" / "outcross" / "SKILL.md").read_text(encoding="utf-8")
    assert skill.startswith("---\nname: outcross\ndescription: ")
    assert all(f"outcross {name}" in skill for name in app if not name.startswith("-"))


@pytest.mark.skipif(
    "OUTCROSS_UVX" not in os.environ or not shutil.which("uvx"), reason="needs uv and the package index; set OUTCROSS_UVX=1"
)
def test_uvx_runs_an_experiment_without_an_installation(tmp_path):
    asked = ["uvx", "--from", str(ROOT), "outcross", "run", "gaussian", *SMALL.split(), "--out", str(tmp_path / "run")]
    assert subprocess.run(asked, capture_output=True, text=True, timeout=900, check=False).returncode == 0


def test_the_help_of_every_command_names_its_options():
    ended = command("mix", "--help")
    assert ended.returncode == 0 and "--plan" in ended.stdout
