"""A name that a user gave is never a pattern: odd names are read and written as plain ones are. A name in the code says what it holds."""

import ast
import doctest
import functools
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import polars
import pytest

import outcross
from outcross.cli import main
from outcross.data.tables import table
from outcross.errors import BadInput
from outcross.files.names import file_names, fitting

pytestmark = pytest.mark.usefixtures("without_charts")

NAMES = [
    "j[2]", "q?", "*", "**", "[", "[!a]", "{a,b}", "a b", " space first", "-dash", "~", "~root", "$HOME", "%20", "new\nline", "ünï",
    "語", "\u202eright", "file:", "s3:", "a=b", "#", "back\\slash", "quote'\"", "x" * 245,
]  # fmt: skip
NEIGHBOURS = ["j2", "qa", "b", "a"]
"""Names that the patterns among the names would fit."""
ENDINGS = [".jsonl", ".csv", ".parquet", ".txt", ".npy"]
GAUSSIAN = "name: g\nhuman: {array: HUMAN, rows: 20}\nlearner: gaussian\ndraw: {prompts: none}\ngenerations: 2\n"


def write(path: Path, values: list[int]) -> None:
    """Write a table of one column in the format that the ending names."""
    frame = polars.DataFrame({"a": values})
    with path.open("wb") as file:
        match path.suffix:
            case ".jsonl":
                frame.write_ndjson(file)
            case ".parquet":
                frame.write_parquet(file)
            case ".npy":
                np.save(file, frame["a"].to_numpy())
            case _:
                frame.write_csv(file, separator="\t" if path.suffix == ".tsv" else ",")


def command(capsys, *words: object, code: int = 0) -> str:
    """Standard output of a command that ends with this code."""
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in words])
    printed = capsys.readouterr()
    assert int(stopped.value.code or 0) == code, printed.err
    return printed.out


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", NAMES)
def test_a_file_and_a_folder_of_any_name_are_read_as_they_are(name, ending, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for neighbour in NEIGHBOURS:
        write(Path(neighbour + ending), [7] * 9)
        Path(f"{neighbour}-folder").mkdir()
        write(Path(f"{neighbour}-folder", f"shard{ending}"), [7] * 9)
    Path(f"{name}-folder").mkdir()
    for path in (Path(name + ending), Path(f"{name}-folder", f"shard{ending}")):
        write(path, [1, 2, 4])
    for path in (Path(name + ending), Path(name + ending).absolute(), Path(f"{name}-folder"), Path(f"{name}-folder").absolute()):
        read = table(path)
        assert read.rows == (4 if ending == ".txt" else 3)
        assert set(read.frame.to_series().cast(polars.String).str.strip_suffix(".0")) == {"1", "2", "4"} | (
            {"a"} if ending == ".txt" else set()
        )


def every_command(capsys, word: str) -> tuple[object, ...]:
    """What every command finds that reads or writes paths of this name, in the working folder; beside files that patterns would fit."""
    rng = np.random.default_rng(5)
    human, synthetic = rng.normal(size=(60, 1)), 0.3 * rng.normal(size=(60, 1))
    for neighbour in NEIGHBOURS:
        Path(neighbour).mkdir()
        polars.DataFrame({"a": [1]}).write_parquet(Path(neighbour, "readings.parquet"))
        np.save(f"{neighbour}.npy", human[:3])
    np.save(f"{word}.npy", human)
    np.save(f"{word}-s.npy", synthetic)
    Path(f"{word}.yaml").write_text(GAUSSIAN.replace("HUMAN", json.dumps(f"{word}.npy")))
    given = f"./{word}" if word.startswith("-") else word  # as for every program, -dash alone is an option
    command(capsys, "run", f"{given}.yaml", f"--out={word}", "--quiet", "--workers", 1)
    run = json.loads(command(capsys, "show", given, "--json"))["readings"]
    command(capsys, "report", given, f"--out={word}.html")
    assert Path(f"{word}.html").is_file()
    asked = ["--aspects", "spread", "--json"]
    texts = [
        command(capsys, "audit", f"{given}-s.npy", f"--reference={word}.npy", f"--out={word}-audit", *asked),
        command(capsys, "audit", f"--before={word}.npy", f"--after={word}-s.npy", *asked),
        command(capsys, "audit", given, "--workers", 1, *asked),
        command(capsys, "show", f"{given}-audit", "--json"),
    ]
    command(capsys, "report", f"{given}-audit")
    checks = [printed.get("checks") or printed["arms"] for printed in map(json.loads, texts)]
    # A training set names the steps that it comes from, whose keys cover the name of the human file.
    files = {path.read_bytes() for path in Path(word, "steps").rglob("*.npz") if path.name != "training.npz"}
    return [reading | {"run": ""} for reading in run], checks, files, sorted(path.name for path in Path(f"{word}-audit").iterdir())


@pytest.fixture(scope="module")
def plain() -> list[tuple[object, ...]]:
    """What every command finds with a plain name; the first test that needs it puts it in."""
    return []


@pytest.mark.parametrize("name", ["j[2]", "q?", "**", "[!a]", "{a,b}", "-dash", "~", "$HOME", "new\nline", "file:", "x" * 245])
def test_every_command_does_with_any_name_what_it_does_with_a_plain_one(name, plain, tmp_path, monkeypatch, capsys):
    results = plain[:]
    for place, word in ((tmp_path / "0", "plain"), (tmp_path / "1", name))[len(plain) :]:
        place.mkdir()
        monkeypatch.chdir(place)
        results.append(every_command(capsys, word))
    plain[:] = results[:1]
    assert results[0] == results[1]


def test_a_pattern_is_taken_only_where_no_file_has_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("s[1]", "s1"):
        Path(folder).mkdir()
    for number, path in enumerate(("s[1]/a.csv", "s1/a.csv", "j2.csv")):
        write(Path(path), [number] * (number + 1))
    assert table("j[2].csv").rows == 3
    assert table("s[1]/*.csv").rows == 1
    write(Path("j[2].csv"), [5])
    assert table("j[2].csv").rows == 1
    assert [str(path) for path in fitting("s*/a.csv")] == ["s1/a.csv", "s[1]/a.csv"]


@pytest.mark.parametrize("pattern", ["none*", "a**b", "[", "x" * 300 + "*", "*/" * 3])
def test_a_pattern_that_fits_nothing_is_refused(pattern, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput):
        table(pattern)


def test_names_that_are_too_long_are_refused_as_bad_input(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    long = "x" * 300
    np.save("h.npy", np.arange(60.0))
    for words in (
        ["audit", long, "--reference", "h.npy"],
        ["audit", "h.npy", "--reference", f"{long}.csv"],
        ["audit", "h.npy", "--reference", "h.npy", "--out", long],
        ["run", f"{long}.yaml"],
        ["show", f"{long}.yaml"],
    ):
        command(capsys, *words, code=2)


def test_a_list_in_brackets_is_a_name_for_report(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["report", '["a"]'])
    assert '["a"]' in capsys.readouterr().err


def test_every_reader_of_polars_is_told_to_take_names_literally():
    """The readers of polars that take a path: each says glob=False or gets an escaped pattern, or reads bytes."""
    for path in Path(outcross.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and re.fullmatch(r"(pl|polars)\.(scan|read)_\w+", dotted(node.func)):
                is_of_bytes = "BytesIO" in ast.unparse(node.args[0])
                is_literal = any(argument.arg == "glob" for argument in node.keywords) or ast.unparse(node.args[0]) == "pattern"
                assert is_of_bytes or is_literal, f"{path.name}:{node.lineno}: {ast.unparse(node)}"


def dotted(function: ast.expr) -> str:
    """The name of a module's function as it is called, `module.function`; empty for anything else."""
    match function:
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            return f"{module}.{name}"
    return ""


def test_different_names_give_different_file_names_whatever_the_order():
    several = [
        "a=b",
        "a,b",
        "a_b",
        "a b",
        "a/b",
        "a\\b",
        "A_B",
        "ä",
        "a\u0308",
        "",
        ".",
        "..",
        "x" * 300,
        "x" * 301,
        "語" * 60,
        "-rf",
    ]
    several += [*file_names(several).values()][4:6]  # names that look like changed ones
    names = file_names(several)
    assert len({name.casefold() for name in names.values()}) == len(several)
    assert names == {name: file_names(reversed(several))[name] for name in several}
    assert all(len(name.encode()) <= 130 and "/" not in name and name.strip(".-") for name in names.values())
    assert (names["a=b"], names["a,b"]) == ("a=b", "a,b")


# Names in the code

ROOT = Path(__file__).parent.parent
EMPTY_NAMES = {"told", "one", "found", "made", "held"}
"""Names that do not say what they hold; a variable, parameter, field, function, class or alias is called by the noun of its content."""


def nodes_of(code: str) -> list[ast.AST]:
    return list(ast.walk(ast.parse(code)))


def bound_names(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """Line and name of everything that Python code gives a name to: variables, fields, attributes, parameters, functions, classes and
    aliases, in the examples of docstrings too."""
    for node in nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield node.lineno, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.alias(name=name, asname=alias):
                yield node.lineno, alias or name
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield node.lineno, name
            case ast.MatchMapping(rest=str(name)):
                yield node.lineno, name
            case ast.Constant(value=str(text)) if ">>> " in text:
                for example in doctest.DocTestParser().get_examples(text):
                    yield from (
                        (node.lineno + example.lineno + line - 1, name) for line, name in bound_names(nodes_of(example.source))
                    )


@pytest.mark.parametrize(
    "code",
    [
        "NAME = 1", "a, *NAME = b", "a = (NAME := 1)", "NAME: int", "a.NAME = 1", "for NAME in a: pass", "[1 for NAME in a]",
        "with a as NAME: pass", "lambda NAME: 1", "lambda *NAME: 1", "def a(*, NAME=1): pass", "def a(**NAME): pass", "def NAME(): pass",
        "async def NAME(): pass", "class NAME: pass", "import a as NAME", "from a import NAME", "try: pass\nexcept A as NAME: pass",
        "match a:\n case [NAME, *_]: pass", "match a:\n case [*NAME]: pass", "match a:\n case {**NAME}: pass",
        "match a:\n case 1 as NAME: pass", "'a'\ndef a():\n    '''A\n\n    >>> NAME = 1\n    '''",
    ],
)  # fmt: skip
def test_every_way_to_give_a_name_is_seen(code):
    assert "NAME" in {name for _, name in bound_names(nodes_of(code))}


def test_using_a_name_gives_none():
    assert not {"NAME"} & {name for _, name in bound_names(nodes_of("a = NAME + b.NAME(NAME=1)['NAME']\ndel a.NAME\n'NAME'"))}


@functools.cache
def emptily_named(folder: str) -> tuple[list[str], list[str]]:
    """Place and name of everything in the code of a folder with a name that does not say what it holds, and of every value with such a name."""
    bound, values = [], []
    for path in sorted((ROOT / folder).rglob("*.py")):
        nodes, file = nodes_of(path.read_text(encoding="utf-8")), path.relative_to(ROOT)
        bound += [f"{file}:{line}: {name}" for line, name in bound_names(nodes) if name in EMPTY_NAMES]
        values += [f"{file}:{line}: {name}" for line, name in named_values(nodes) if name in EMPTY_NOUNS]
    return bound, values


@pytest.mark.parametrize("folder", ["src", "tests", "benchmarks", "tools"])
def test_every_name_in_the_code_says_what_it_holds(folder):
    assert emptily_named(folder)[0] == []


EMPTY_NOUNS = EMPTY_NAMES | {"most", "least", "of"}
"""Words that do not say what a value is: of a number, most and least say neither what it counts nor what it bounds. A function may be
called `of`, where the name of its class is the noun (`Inventory.of(pool)`)."""


def named_values(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """Line and name of everything in Python code whose name stands for a value: variables, fields, attributes, properties, parameters and
    keyword arguments, in the examples of docstrings too. The keys of settings are the fields of parts."""
    for node in nodes:
        match node:
            case ast.FunctionDef(name=name, decorator_list=decorators):
                if any(ast.unparse(decorator).endswith("property") for decorator in decorators):
                    yield node.lineno, name
            case ast.keyword(arg=str(name)):
                yield node.value.lineno, name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield node.lineno, name
            case ast.Constant(value=str(text)) if ">>> " in text:
                for example in doctest.DocTestParser().get_examples(text):
                    yield from (
                        (node.lineno + example.lineno + line - 1, name) for line, name in named_values(nodes_of(example.source))
                    )


@pytest.mark.parametrize(
    "code",
    [
        "class A:\n    NAME: int = 1", "class A:\n    NAME = 1", "class A:\n    @property\n    def NAME(self): pass",
        "class A:\n    @cached_property\n    def NAME(self): pass", "a.NAME = 1", "a(NAME=1)", "[1 for a, NAME in b]",
        "lambda NAME: 1", "def a(NAME): pass", "'a'\ndef a():\n    '''A\n\n    >>> a(NAME=1)\n    '''",
    ],
)  # fmt: skip
def test_every_name_of_a_value_is_seen(code):
    assert "NAME" in {name for _, name in named_values(nodes_of(code))}


def test_a_function_may_be_called_after_its_class_and_a_word_may_be_a_value():
    assert not {"NAME"} & {
        name for _, name in named_values(nodes_of("class A:\n    def NAME(cls): pass\nA.NAME(keep='NAME')\nNAME.a"))
    }


@pytest.mark.parametrize("folder", ["src", "tests", "benchmarks", "tools"])
def test_every_name_of_a_value_in_the_code_is_a_noun(folder):
    assert emptily_named(folder)[1] == []


def test_every_name_in_the_python_of_the_documents_says_what_it_holds():
    assert [
        f"{path.relative_to(ROOT)}: {name}"
        for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
        for block in re.findall(r"^```python\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        for words, names in ((EMPTY_NAMES, bound_names), (EMPTY_NOUNS, named_values))
        for _, name in names(nodes_of(block))
        if name in words
    ] == []
