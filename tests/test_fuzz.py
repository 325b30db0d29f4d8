"""Whatever is fed to the command line, it answers: one line, an exit code that it has promised, nothing half-written, nothing touched.

Thousands of experiment files, settings, texts, tables, arrays, ledgers and run folders, each spoilt by one or two mutations that a
fixed stream draws, go through the command line in this process. No case says what the answer must be; all say what it must never be.
"""

from __future__ import annotations

import contextlib
import datetime
import gzip
import hashlib
import io
import itertools
import json
import math
import os
import random
import shutil
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest
import yaml

from outcross.cli import main
from outcross.experiment import Experiment
from outcross.ledger.entries import key_of, output_of, sealed
from outcross.models.draw import Draw
from outcross.models.schedule import Pretrained, Schedule
from outcross.recipe import flatten, member, unflatten
from outcross.verbs.parts import FAMILIES

PROMISED = (0, 1, 2, 3, 130)
LINE = 4000
"""Characters of the longest line that still is one line to a person."""
NOT_PRINTED = (DeprecationWarning, PendingDeprecationWarning, ResourceWarning, ImportWarning)
"""Warnings that Python shows to developers only."""


# What is promised of every call


@dataclass
class Outcome:
    """What one call of the command line said."""

    code: object
    out: str
    err: str
    warned: list[str]
    opened: set[str]
    """Files under the bystanders' folder that were opened."""


@dataclass
class Place:
    """A folder for a case: `inputs`, `bystanders` that no command names, and `out`, the only place to write to."""

    root: Path
    problems: list[str] = field(default_factory=list)
    cases: int = 0

    @property
    def inputs(self) -> Path:
        return self.root / "inputs"

    @property
    def bystanders(self) -> Path:
        return self.root / "bystanders"

    @property
    def out(self) -> Path:
        return self.root / "out"

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.inputs / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        return path

    def try_(self, case: str, *arguments: object, again: bool = True) -> Outcome:
        """One call, and every promise; what is broken is noted with the case. A call that is refused is refused again alike."""
        self.cases += 1
        before = image(self.inputs) | image(self.bystanders)
        outcome = call(self.root, *map(str, arguments))
        broken = list(breaches(outcome))
        if image(self.inputs) | image(self.bystanders) != before:
            broken.append("an input or a bystander was changed")
        if stray := [path.name for path in self.root.iterdir() if path.name not in ("inputs", "bystanders", "out")]:
            broken.append(f"written outside --out: {stray}")
        if left := temporary(self.root):
            broken.append(f"temporary files left: {left}")
        if outcome.opened:
            broken.append(f"opened what nobody named: {sorted(outcome.opened)}")
        if outcome.code != 0 and self.out.exists() and again and not broken:
            repeated = call(self.root, *map(str, arguments))
            if (repeated.code, repeated.err) != (outcome.code, outcome.err):
                broken.append(
                    f"refused otherwise when called again: {repeated.code} {repeated.err!r:.300} after {outcome.err!r:.300}"
                )
        self.problems += [f"{case[:300]}\n      {breach}" for breach in broken]
        return outcome

    def check(self) -> None:
        if self.problems:
            pytest.fail(
                f"{len(self.problems)} broken promises in {self.cases} cases:\n" + "\n".join(self.problems[:30]), pytrace=False
            )


class TooLong(BaseException):
    """An experiment of six records should have ended."""


def _stop(*_: object) -> None:
    raise TooLong(f"not ended after {PATIENCE} s")


PATIENCE = 60
"""Seconds after which a case is taken to hang; most take a hundredth of one."""


@contextlib.contextmanager
def impatient() -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, _stop)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def call(root: Path, *arguments: str) -> Outcome:
    """The command line in this process, its streams, warnings and what it opened among the bystanders."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors=how) for how in ("strict", "backslashreplace"))
    with warnings.catch_warnings(record=True) as warned, watching(root / "bystanders") as opened:
        warnings.simplefilter("always")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), contextlib.chdir(root):
            try:
                with impatient():
                    main(list(arguments))
                code: object = "returned"
            except SystemExit as stopped:
                code = stopped.code
            except BaseException as error:  # a traceback, whatever it is
                code = f"{type(error).__name__}: {error}"
        messages = [
            f"{warning.category.__name__}: {warning.message}" for warning in warned if not issubclass(warning.category, NOT_PRINTED)
        ]
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
    return Outcome(code, *texts, messages, set(opened))


def breaches(outcome: Outcome) -> Iterator[str]:
    if outcome.code not in PROMISED or isinstance(outcome.code, bool):
        yield f"ended with {outcome.code!r:.300}"
        return
    if outcome.warned:
        yield f"warned: {outcome.warned[0]:.300}"
    if outcome.code == 0:
        if outcome.err:
            yield f"said on standard error: {outcome.err!r:.300}"
        return
    if "this is a bug" in outcome.err or "Traceback" in outcome.err:
        yield f"took it for a bug: {outcome.err:.400}"
    if not outcome.err.startswith("outcross: ") or outcome.err.count("\n") != 1 or not outcome.err.endswith("\n"):
        yield f"is not one line: {outcome.err!r:.300}"
    if len(outcome.err) > LINE or not outcome.err[:-1].isprintable():
        yield f"is not a line that a terminal shows: {len(outcome.err)} characters, {outcome.err!r:.300}"


def image(folder: Path) -> dict[str, str]:
    """Every file under a folder with its content's digest, every link with its target."""
    return {
        str(path): os.readlink(path) if path.is_symlink() else hashlib.sha1(path.read_bytes()).hexdigest() for path in files(folder)
    }


def files(folder: Path) -> list[Path]:
    return [Path(place, name) for place, _, names in os.walk(folder) for name in names]


def temporary(folder: Path) -> list[str]:
    pid = str(os.getpid())
    named = [Path(place, name) for place, folders, names in os.walk(folder) for name in [*folders, *names]]
    return [str(path) for path in named if path.name.startswith((".writing-", ".locks")) or path.name.split(".")[-1] == pid]


_watched: list[tuple[str, set[str]]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched and event in (
        "open",
        "os.link",
        "os.symlink",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "shutil.copytree",
        "shutil.rmtree",
    ):
        folder, opened = _watched[-1]
        opened |= {
            where
            for argument in arguments[:2]
            if isinstance(argument, str | os.PathLike) and (where := os.path.realpath(argument)).startswith(folder)
        }


sys.addaudithook(_hook)


@contextlib.contextmanager
def watching(folder: Path) -> Iterator[set[str]]:
    opened: set[str] = set()
    _watched.append((str(folder) + os.sep, opened))
    try:
        yield opened
    finally:
        _watched.pop()


@pytest.fixture
def place(tmp_path, monkeypatch) -> Iterator[Place]:
    case = Place(tmp_path.resolve() / "case")
    case.inputs.mkdir(parents=True)
    case.bystanders.mkdir()
    (case.bystanders / "secret.txt").write_text("secret\n")
    (case.bystanders / "folder").mkdir()
    (case.bystanders / "folder" / "vectors.npz").write_bytes(b"not ours")
    monkeypatch.delenv("OUTCROSS_DEBUG", raising=False)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # no power cut in a test; the disk would be most of its time
    yield case
    case.check()


@pytest.fixture
def no_page(monkeypatch):
    """Runs end without their page, which is most of a tiny run's time; reports are spoilt in tests of their own."""
    monkeypatch.setattr("outcross.verbs.run.result.Run.report", lambda run, path=None, live=False: run.page)


# Experiments small enough to run in a blink

SPECS: dict[str, dict[str, Any]] = {
    "normal": {"human": {"distribution": "normal", "rows": 6}, "learner": "gaussian", "chains": 5},
    "categorical": {"human": {"distribution": "categorical", "rows": 9, "states": 4}, "learner": "categorical", "chains": 5},
    "blobs": {"human": {"distribution": "blobs", "rows": 9, "grid": 2}, "learner": {"kind": "gaussian_mixture", "components": 2, "iterations": 3}, "chains": 2},
    "regression": {"human": {"distribution": "regression", "rows": 9, "dimensions": 2}, "learner": "regression", "chains": 5, "draw": {"prompts": "human"}},
    "uniform": {"human": {"distribution": "uniform", "rows": 6}, "learner": "kde", "chains": 5},
    "path": {"human": {"path": "inputs/text.txt", "rows": 8}, "learner": {"kind": "ngram", "tokens": "words", "vocabulary": 300}, "block": 6},
    "array": {"human": {"array": "inputs/points.npy", "rows": 8}, "learner": "gaussian"},
}  # fmt: skip
LEARNS = {"gaussian": "normal", "categorical": "categorical", "kde": "uniform", "gaussian_mixture": "blobs", "regression": "regression", "spike": "uniform", "hutter": "categorical", "ngram": "path", "transformer": "normal", "causal_lm": "normal", "vae": "categorical", "server": "normal", "cells": "categorical", "principal": "normal", "trees": "normal", "labelling": "normal", "panel": "normal", "plurality": "normal", "linear_answers": "normal", "apprentice": "normal"}  # fmt: skip
"""Which experiment tries a learner; networks are given numbers, which they refuse before they need torch or a model's files."""
READS = {
    "vectors": "normal",
    "images": "normal",
    "counts": "categorical",
    "text": "path",
    "groups": "path",
    "blobs": "blobs",
    "pairs": "regression",
    "selection": "normal",
    "labelled": "normal",
    "cells": "categorical",
    "answers": "normal",
}
TEXT = "\n\n".join(f"The {a} {b} of the {c} sleeps under a {b} tree, and paragraph {i} says so again and again." for i, (a, b, c) in enumerate(itertools.product(("old", "red", "wet", "shy", "raw"), ("fox", "oak", "sea", "elk"), ("hill", "town", "shore", "field"))))  # fmt: skip


def spec(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "generations": 2, "store": "all", "draw": {"prompts": "none"}, "metrics": []} | SPECS[name] | more


def ready(place: Place) -> None:
    """The inputs that the experiments read."""
    place.write("text.txt", TEXT)
    np.save(place.inputs / "points.npy", np.random.default_rng(0).standard_normal((40, 2)))


def try_experiment(place: Place, case: str, content: str | bytes, *settings: str) -> Outcome:
    shutil.rmtree(place.out, ignore_errors=True)
    return place.try_(
        f"{case}: {content!r:.200} {settings}", "run", place.write("e.yaml", content), *settings, "--out", place.out, "--quiet"
    )


def test_every_experiment_here_runs_as_long_as_it_is_not_spoilt(place, no_page):
    ready(place)
    for name in SPECS:
        outcome = try_experiment(place, name, written(spec(name)))
        assert outcome.code == 0, outcome.err
    for name, content in tables().items():
        (place.inputs / name).write_bytes(content)
        outcome = try_experiment(place, name, written(spec("path", human=text_in(name))))
        assert outcome.code == 0, outcome.err


def text_in(name: str, **more: Any) -> dict[str, Any]:
    """The human data of a text or of a table's column."""
    is_table = Path(name.removesuffix(".gz")).suffix in (".csv", ".jsonl", ".ndjson", ".parquet")
    return {"path": f"inputs/{name}", "rows": 8} | ({"text_column": "text"} if is_table else {}) | more


# Nasty values


class Raw(str):
    """YAML as it stands."""


NASTY: list[Any] = [
    None, True, False, -1, 0, 10**30, 2**63, -(2**70), 10**11, 1.5, -0.5, 1e300, -1e300, 5e-324, math.nan, math.inf, -math.inf,
    "", " ", "3", "0.1", "three", "1e999", "null", "replace", "n", "x" * 20_000, "ümlaut ☃", "\u202egnol\u202c", "a\tb\nc",
    [], [1], [[]], [[[[[[1]]]]]], [None, None], {}, {"kind": "replace"}, {"kind": None}, {"a": {"b": {"c": 1}}}, {"": 1},
    datetime.date(2026, 1, 1), datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), b"\x00\xff", {1: 2}, {"kind": "gaussian", "divisor": True},
    Raw('"\\0"'), Raw('"\\ud800"'), Raw('"\\e[2J\\a"'), Raw('"../../bystanders/secret.txt"'), Raw("!!python/object/apply:os.getpid []"), Raw("!!set {a, b}"),
    Raw("!!omap [a: 1]"), Raw("!!timestamp x"), Raw("!!bool x"), Raw("!!int ''"), Raw("!!float x"), Raw("!!binary '*'"), Raw("!!null 1"), Raw("!unknown 3"), Raw("&a [*a]"),
    Raw("&a {b: *a}"), Raw("{<<: {share: 0.1}, kind: human_share}"), Raw("2026-99-99"), Raw("1e-3"), Raw("0x" + "f" * 5000), Raw("9" * 5000), Raw("1_0"), Raw("0o17"), Raw("0:9"), Raw("~"), Raw("=") , Raw("yes"),
    Raw("[" * 900 + "]" * 900), Raw("[" * 100 + "]" * 100),
    Raw("[&a [x,x,x,x,x,x,x,x,x,x], &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a], &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b], &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c], &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d], &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e], &g [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]]"),
]  # fmt: skip


def written(data: Any) -> str:
    """Plain data as YAML, with what is raw put in as it stands."""
    raw: list[str] = []

    def marked(value: Any) -> Any:
        if isinstance(value, Raw):
            raw.append(str(value))
            return f"RAW{len(raw) - 1}WAR"
        if isinstance(value, dict):
            return {key: marked(inner) for key, inner in value.items()}
        return [marked(inner) for inner in value] if isinstance(value, list) else value

    text = yaml.safe_dump(marked(data), sort_keys=False, allow_unicode=True, width=10**9)
    for i, raw_text in enumerate(raw):
        text = text.replace(f"RAW{i}WAR", raw_text)
    return text


def filled(cls: type) -> dict[str, Any]:
    """Values for the fields of a recipe that must be given."""
    values = {"share": 0.5, "human": 3, "weight": 0.5, "path": "inputs/text.txt", "array": "inputs/points.npy", "hub": "nowhere"}
    return {
        key_field.name: values[key_field.name]
        for key_field in fields(cls)
        if key_field.default is MISSING and key_field.default_factory is MISSING
    }


def places_to_spoil() -> Iterator[tuple[dict[str, Any], str]]:
    """Every known key of every recipe, each with an experiment that has it."""
    for key_field in fields(Experiment):
        yield spec("normal"), key_field.name
    for cls, key in ((Draw, "draw"), (Schedule, "training"), (Pretrained, "training.start")):
        for key_field in fields(cls):
            base = spec("normal", learner="transformer") if key != "draw" else spec("categorical")
            yield (base | {"training": {"start": {"kind": "pretrained"}}} if key != "draw" else base), f"{key}.{key_field.name}"
    for name in FAMILIES["sources"]:
        cls = member(FAMILIES["sources"], name, "source")
        base = spec(name) if name in SPECS else spec("normal")  # text for a gaussian: refused before it is fetched
        human = (
            {"kind": name}
            | filled(cls)
            | {key: value for key, value in base["human"].items() if key not in ("distribution", "text") and name in SPECS}
        )
        for key_field in fields(cls):
            yield base | {"human": human}, f"human.{key_field.name}"
    for name in FAMILIES["models"]:
        for key_field in fields(member(FAMILIES["models"], name, "model")):
            base = spec(LEARNS[name])
            yield (
                base | {"learner": {"kind": name} | ({"iterations": 3} if name == "gaussian_mixture" else {})},
                f"learner.{key_field.name}",
            )
    for name in FAMILIES["policies"]:
        cls = member(FAMILIES["policies"], name, "policy")
        for key_field in fields(cls):
            yield spec("normal", policy={"kind": name} | filled(cls)), f"policy.{key_field.name}"
    for name in FAMILIES["measures"]:
        cls = member(FAMILIES["measures"], name, "measure")
        if "table" in cls.needs:
            continue
        for key_field in fields(cls):
            yield spec(READS[cls.needs[0]], metrics=[{"kind": name}]), f"metrics.0.{key_field.name}"


def spoilt(data: Any, key: str, value: Any) -> Any:
    """Plain data with the value at a dotted key replaced."""
    head, _, rest = key.partition(".")
    if isinstance(data, list):
        return [spoilt(entry, rest, value) if str(i) == head else entry for i, entry in enumerate(data)]
    inner = data.get(head)
    return data | {head: spoilt(inner if isinstance(inner, dict | list) else {"kind": inner}, rest, value) if rest else value}


KEYS = list(places_to_spoil())
CHUNKS = 8


def is_small(key: str, value: Any) -> bool:
    """Whether an experiment that takes this value ends at once."""
    return not (isinstance(value, float) and value > 1e200 and key == "training.epochs")


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_value_at_any_key_breaks_a_promise(chunk, place, no_page):
    ready(place)
    rng = random.Random(chunk)
    for base, key in KEYS[chunk::CHUNKS]:
        for value in rng.sample(NASTY, 10):
            if is_small(key, value):
                try_experiment(place, f"{key}={value!r:.60}", written(spoilt(base, key, value)))


@pytest.mark.parametrize("key", ["chains", "seed", "generations", "policy.share", "draw.temperature", "human.rows", "learner.known_variance", "policy.align", "rows", "rows.grow"])  # fmt: skip
def test_a_word_for_a_number_is_no_number(key, place, no_page):
    """Nor is a boolean, nor a number in quotes; where a boolean is wanted, a number is none."""
    base = spec("normal", policy={"kind": "human_share", "share": 0.5})
    for value in (0, 1, "yes", 0.5) if key == "policy.align" else (True, False, "1", "0.5", "one", [1], datetime.date(2026, 1, 1)):
        outcome = try_experiment(place, f"{key}={value!r}", written(spoilt(base, key, value)))
        if outcome.code != 2:
            place.problems.append(f"{key}={value!r} was taken")


@pytest.mark.parametrize("chunk", range(4))
def test_no_change_of_structure_breaks_a_promise(chunk, place, no_page):
    """Keys dropped, renamed, doubled, moved; two changes at once."""
    ready(place)
    rng = random.Random(100 + chunk)
    names = [*SPECS, "arms", "sweep"]
    for _ in range(75):
        name = rng.choice(names)
        if name == "arms":
            recipe = spec("normal", arms=[{"policy": "replace"}, {"policy": {"kind": "human_share", "share": 0.5}}])
        elif name == "sweep":
            recipe = spec("categorical", sweep={"policy": ["replace", "accumulate"], "seed": [0, 1]})
        else:
            recipe = spec(name)
        for _ in range(rng.choice((1, 1, 2))):
            recipe = restructured(recipe, rng)
        text = written(recipe)
        if rng.random() < 0.15:
            lines = text.splitlines()
            text = "\n".join([*lines, rng.choice(lines)])
        try_experiment(place, name, text)


MANY = Raw("".join(f"\n  - {i}" for i in range(200_000)))
"""A list as YAML writes it, which takes the writer seconds."""


def restructured(recipe: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    flat = flatten(recipe)
    key = rng.choice(list(flat))
    change = rng.randrange(7)
    if change == 0:
        del flat[key]
    elif change == 1:
        flat[key[:-1] + rng.choice("xyz_")] = flat.pop(key)
    elif change == 2:
        flat[key] = flat[rng.choice(list(flat))]
    elif change == 3:
        return recipe | {key.split(".")[0]: rng.choice(NASTY)}
    elif change == 4:
        return {
            rng.choice(["", "a.b", "kind", "sweep", "arms", 1, None, True, 1.5, "é" * 300, "\x1b[2J", "name\u2028x"]): 1
        } | recipe
    elif change == 5:
        return recipe | {"sweep": rng.choice([{"policy": NASTY}, {"seed": [0, True]}, {"seed": [0, 0]}, {"": [1]}, {"arms": [1]}, {"human.rows": [5, "x"]}, {"policy.share": [0.1]}, {1: [2]}, {"name": ["a", "b"]}, {"sweep": [{}]}, {f"k{i}": list(range(50)) for i in range(9)}, {"seed": MANY}])}  # fmt: skip
    else:
        return recipe | {"arms": rng.choice([[{}], [{}, {}], [{"name": "a/b"}], [{"name": ".."}], [{"name": "x" * 300}], [{"name": "\u202ex"}], [{"name": 1}, {"name": 1.0}], [{"name": True}, {"name": None}], [{"arms": [{}]}], [{"generations": 1}, {"generations": 3}], [{"learner": "categorical"}, {}], [{"policy": None}], [{"store": "readings"}, {"store": "all"}], [{1: 2}], [[]], {"a": 1}, [None]])}  # fmt: skip
    try:
        return unflatten(flat)
    except AttributeError:
        return recipe


def flipped(content: bytes, rng: random.Random) -> bytes:
    """Bytes flipped, cut off, cut out, put in or doubled."""
    damaged = bytearray(content)
    for _ in range(rng.choice((1, 1, 3, 8))):
        at = rng.randrange(len(damaged) + 1)
        change = rng.randrange(6)
        if change == 0 and at < len(damaged):
            damaged[at] ^= 1 << rng.randrange(8)
        elif change == 1:
            del damaged[at:]
        elif change == 2:
            del damaged[at : at + rng.randrange(1, 9)]
        elif change == 3:
            damaged[at:at] = rng.choice(
                [
                    b"\x00",
                    b"\xff",
                    b"\xef\xbb\xbf",
                    b"\r",
                    b"\t",
                    b"{",
                    b": ",
                    b"\n- ",
                    b"&a *a",
                    b"\xed\xa0\x80",
                    b"%YAML 9.9\n",
                    b"---\n",
                    b"\x85",
                    "\u2028".encode(),
                    b"'",
                    b'"',
                ]
            )
        elif change == 4 and at < len(damaged):
            damaged[at] = rng.randrange(256)
        else:
            damaged[at:at] = damaged[max(0, at - 9) : at]
    return bytes(damaged)


@pytest.mark.parametrize("chunk", range(4))
def test_no_bytes_of_an_experiment_file_break_a_promise(chunk, place, no_page):
    ready(place)
    rng = random.Random(200 + chunk)
    for _ in range(70):
        name = rng.choice(["normal", "categorical", "path"])
        content = flipped(written(spec(name, metrics=["fitted_law"] if name == "normal" else [])).encode(), rng)
        if not larger(content):
            try_experiment(place, name, content)


def larger(content: bytes) -> bool:
    """Whether a digit that was put in made the experiment a long one."""
    with contextlib.suppress(Exception):
        settings = flatten(yaml.safe_load(content))
        return any(isinstance(value, int) and 100 < value <= 10**10 for key, value in settings.items() if key != "seed")
    return False


SETTINGS = [
    "", "=", "=1", "a", "a=", "a.b=1", ".=1", "..=1", "policy.=1", ".policy=1", "policy..share=1", "name.first=x", "human=", "human=null", "human.rows=true",
    "human.rows=[1", "human.rows={", "human.rows=!!python/object:os.x", "human.rows=&a [*a]", "chains=true", "chains=1e3", "chains='5'", "seed=-1", "seed=99999999999999999999999999", "policy.share=0.1",
    "policy=human_share", "policy={kind: human_share, share: true}", "policy={kind: human_share, share: 1e-1}", "arms=null", "sweep=null", "arms=[]", "sweep={}", "sweep={seed: [0, 1]}", "sweep={seed: 3}", "metrics=[fitted_law, fitted_law]",
    "metrics=[]", "metrics=null", "metrics=[[]]", "metrics=[{}]", "metrics=[null]", "metrics=[{kind: fitted_law, kind: fitted_law}]", "draw=null", "draw={}", "draw=[]", "draw.records=5", "draw.top_k=3", "draw.top_p=0.5", "draw.temperature=0",
    "generations=1.0", "generations=0x2", "rows={grow: null}", "rows={grow: true}", "rows={grow: '2'}", "rows={grow: 100}", "rows={grow: .nan}", "rows={grow: []}", "rows=null", "rows=true", "rows=2.5", "rows=0.0001", "rows=constant", "rows=10000000000000", "store=readings", "store=null",
    "name=..", "name=a/b", "name=", "name=[]", "name=2026-01-01", "name=\u202eabc", "block=3", "block=null", "training=null", "training={}", "learner=null", "learner={}", "learner={gaussian: {}}", "learner={gaussian: null}", "learner={a: {}, b: {}}", "kind=1", "é=1", "a b=1", "policy.share.deep.deeper=1",
    "human.kind=normal", "human.distribution=true", "human={distribution: normal, text: stdlib}", "human={path: /, rows: 3}", "human={path: inputs}", "human={array: inputs}", "human={path: ''}", "human={path: true}", "human={array: inputs/text.txt}", "human={path: inputs/points.npy}", "human={path: /proc/self/mem}",
    "x=" + "[" * 900, "x=\ud800", "x=\x00", "name=\udcff", "human={path: \"a\\0b\"}", "human={path: \"\\ud800\"}", "human.rows=2026-99-99", "human.rows=!!timestamp x", "human.rows=!!bool x", "=", "--", "-", "--json", "--no-json", "--workers=x", "--workers=0", "--workers=-5", "--workers=999999999999999999999", "--workers=true", "--ray=", "--out", "--device=", "--fork=maybe", "--help=3", "-q=x", "-x",
]  # fmt: skip


@pytest.mark.parametrize("chunk", range(3))
def test_no_setting_breaks_a_promise(chunk, place, no_page):
    ready(place)
    rng = random.Random(300 + chunk)
    bases = [
        spec("normal"),
        spec("categorical", sweep={"policy": ["replace", "accumulate"]}),
        spec("path"),
        spec("normal", policy={"kind": "human_share", "share": 0.5}),
    ]
    texts = [written(base) for base in bases]
    for setting in SETTINGS[chunk::3]:
        try_experiment(place, "settings", rng.choice(texts), setting)
        try_experiment(
            place, "settings", rng.choice(texts), setting, rng.choice([setting for setting in SETTINGS if "=" in setting])
        )


COMMANDS = [
    [], [""], ["run"], ["run", ""], ["run", "."], ["run", "/"], ["run", "/dev/null"], ["run", "nowhere\nelse"], ["run", "a\0b"], ["run", "x" * 5000], ["run", "\udcff"], ["run", "inputs"], ["run", "inputs/text.txt"], ["run", "inputs/points.npy"], ["run", "/proc/self/mem"],
    ["show"], ["show", ""], ["show", "inputs"], ["show", "inputs/text.txt"], ["show", "a\0b"], ["show", "x" * 5000], ["show", "\udcff"], ["show", "inputs", "inputs"], ["show", "--json"], ["show", "\x1b[2J"], ["show", "\u202ex"],
    ["report"], ["report", ""], ["report", "inputs"], ["report", "inputs/text.txt"], ["report", "a\0b"], ["report", "x" * 5000], ["report", "inputs", "--out"], ["report", "inputs", "--out", "bystanders"], ["report", "\udcff", "nowhere"],
    ["card"], ["card", ""], ["card", "inputs"], ["card", "inputs/text.txt"], ["card", "a\0b"], ["card", "x" * 5000], ["card", "inputs", "--out", "bystanders"], ["card", "\udcff"], ["show", "inputs", "--id", "abcd"], ["show", "inputs", "--id", "\u202ex"],
    ["list", ""], ["list", "x" * 3000], ["list", "polices"], ["list", "a", "b"], ["list", "\0"], ["list", "\udcff"], ["list", "--json", "laws"], ["list", "measures"], ["frobnicate"], ["--help"], ["--version"], ["--x"], ["run", "--help"], ["-h", "run"], ["list", "--json=3"], ["\ud800"], ["run", "\ud800"],
]  # fmt: skip


def test_no_command_line_breaks_a_promise(place, no_page):
    ready(place)
    for arguments in COMMANDS:
        place.try_(repr(arguments)[:200], *arguments)


@pytest.mark.parametrize(
    "out", ["a\0b", "x" * 300, "", "inputs/text.txt", "inputs/text.txt/run", "\udcff", "bystanders", "/proc/outcross", "/dev/null"]
)
def test_no_name_of_a_folder_breaks_a_promise(out, place):
    ready(place)
    path = place.write("e.yaml", written(spec("normal")))
    outcome = place.try_(f"--out {out!r:.80}", "run", path, "--out", str(place.out / out) if out == "\udcff" else out, "--quiet")
    if out != "\udcff" and outcome.code == 0:
        place.problems.append(f"--out {out!r:.80} was taken")


# Texts, tables and arrays


def tables() -> dict[str, bytes]:
    """A file of every format that holds the same texts."""
    frame = polars.DataFrame({"text": TEXT.split("\n\n"), "who": ["a", "b"] * 40, "n": list(range(80))})
    parquet = io.BytesIO()
    frame.write_parquet(parquet)
    return {
        "t.txt": TEXT.encode(),
        "t.md": TEXT.replace("\n\n", "\r\n\r\n").encode(),
        "t.txt.gz": gzip.compress(TEXT.encode(), mtime=0),
        "t.csv": frame.write_csv().encode(),
        "t.csv.gz": gzip.compress(frame.write_csv().encode(), mtime=0),
        "t.jsonl": frame.write_ndjson().encode(),
        "t.ndjson": frame.write_ndjson().encode(),
        "t.parquet": parquet.getvalue(),
    }


def parquet_of(**columns: Any) -> bytes:
    file = io.BytesIO()
    polars.DataFrame(columns).write_parquet(file)
    return file.getvalue()


def nasty_tables() -> list[tuple[str, bytes]]:
    long = "word " * 9000
    return [
        ("t.jsonl", b"\n" * 50), ("t.jsonl", b"[]\n[]\n"), ("t.jsonl", b"1\n2\n"), ("t.jsonl", b"null\n"), ("t.jsonl", b'{"text": 1}\n{"text": "a"}\n'), ("t.jsonl", b'{"text": {"a": 1}, "who": []}\n' * 9),
        ("t.jsonl", b'{"text": null}\n' * 40), ("t.jsonl", b'{"text": "a", "text": "b"}\n' * 9), ("t.jsonl", b'{"text": "\\ud800 x"}\n' * 9), ("t.jsonl", b'{"text": "\\u0000 x"}\n' * 40), ("t.jsonl", b'{"text": ' + b"[" * 5000), ("t.jsonl", b"{}\n" * 9), ("t.jsonl", b'{"": "a"}\n'),
        ("t.jsonl", b'{"text": [1, 2]}\n' * 40), ("t.jsonl", b'{"text": 1e999}\n' * 40), ("t.jsonl", b'{"text": true}\n' * 40), ("t.jsonl", b'{"text": 99999999999999999999999999999}\n'), ("t.jsonl", b'\xef\xbb\xbf{"text": "a"}\n' * 9),
        ("t.csv", b"text,who\n" + b"a,b,c,d\n" * 40), ("t.csv", b"text,text\na,b\n"), ("t.csv", b"text\n"), ("t.csv", b"text,who\n\"open"), ("t.csv", b"text,who\n" + b'"' * 999), ("t.csv", b"text;who\na;b\n"), ("t.csv", b",,,\n,,,\n"), ("t.csv", ("text,who\n" + f"{long},x\n" * 3).encode()),
        ("t.csv", b"\xff\xfet\x00e\x00x\x00t\x00"), ("t.csv", b"text,who\n=cmd|' /C calc'!A0,x\n" * 9), ("t.csv", b"text\r" * 99), ("t.csv", b"text,who\n" + b"\n" * 99),
        ("t.parquet", b""), ("t.parquet", b"PAR1"), ("t.parquet", b"PAR1" + b"\0" * 64 + b"PAR1"), ("t.parquet", b"PAR1\xff\xff\xff\x7fPAR1"), ("t.parquet", parquet_of(text=[1, 2, 3], who=[True, None, False])), ("t.parquet", parquet_of(text=[[1], [2]], who=["a", "b"])), ("t.parquet", parquet_of(text=[b"\xff\xfe", b"x"] * 20, who=["a", "b"] * 20)),
        ("t.parquet", parquet_of(text=[{"a": 1}], who=["a"])), ("t.parquet", parquet_of(text=[None, None], who=[None, None])), ("t.parquet", parquet_of(text=[datetime.date(2026, 1, 1)] * 40, who=["x"] * 40)), ("t.parquet", parquet_of(text=polars.Series([], dtype=polars.String), who=polars.Series([], dtype=polars.String))),
        ("t.parquet", parquet_of(text=polars.Series([object(), object()], dtype=polars.Object).cast(polars.String, strict=False) if False else ["a\0b\0" * 90] * 9, who=["\0", ""] * 4 + ["x"])), ("t.parquet", parquet_of(text=[math.nan, math.inf] * 20, who=["x"] * 40)), ("t.parquet", parquet_of(text=polars.Series(["a", "b"] * 20, dtype=polars.Categorical), who=["x"] * 40)),
        ("t.txt", b"\xff\xfeh\x00i\x00"), ("t.txt", b"\xef\xbb\xbf"), ("t.txt", b"\n" * 5000), ("t.txt", ("\u202e" * 50 + "\n\n").encode() * 40), ("t.txt", b"\x1b[2J words\n\n" * 90), ("t.txt", ("a\u0300" * 200 + "\n\n").encode() * 30), ("t.txt", b"x" * 50_000), ("t.txt", b"\r" * 500), ("t.txt", "\u2028".join(["words and words"] * 300).encode()), ("t.txt", ("\u200b \u00a0\u3000\n\n" * 300).encode()), ("t.txt", "😀 ".encode() * 3000), ("t.txt", ("  \n\n" + "one two\n\n" * 3).encode()),
        ("t.txt.gz", gzip.compress(b"", mtime=0)), ("t.txt.gz", gzip.compress(gzip.compress(TEXT.encode(), mtime=0), mtime=0)), ("t.txt.gz", gzip.compress(TEXT.encode(), mtime=0) * 2), ("t.txt.gz", gzip.compress(TEXT.encode(), mtime=0) + b"junk"), ("t.parquet.gz", gzip.compress(parquet_of(text=["a b c"] * 90, who=["x"] * 90), mtime=0)), ("t", TEXT.encode()), (".gz", b"x"), ("t.exe", b"MZ\x90\0"), ("t.npy", b"x y z\n\n" * 90),
    ]  # fmt: skip


def try_text(place: Place, name: str, content: bytes, metrics: Sequence[str] = (), **more: Any) -> None:
    (place.inputs / name).write_bytes(content)
    recipe = spec("path", human=text_in(name, **more), metrics=list(metrics))
    try_experiment(place, f"{name} {content!r:.120}", written(recipe))
    (place.inputs / name).unlink()


@pytest.mark.parametrize("chunk", range(3))
def test_no_bytes_of_a_text_or_table_break_a_promise(chunk, place, no_page):
    rng = random.Random(400 + chunk)
    contents = tables()
    for i in range(60):
        name = rng.choice(list(contents))
        more = {"group_column": "who"} if "text_column" in text_in(name) and rng.random() < 0.3 else {}
        # One text in three is read by every measure; odd ones always are (`test_no_odd_text_or_table_breaks_a_promise`).
        try_text(place, name, flipped(contents[name], rng), [] if i % 3 == 0 else ["lexical_diversity"], **more)


def test_no_odd_text_or_table_breaks_a_promise(place, no_page):
    for name, content in nasty_tables():
        try_text(place, name, content)
        if b"who" in content:
            try_text(place, name, content, group_column="who")
    for heading in ("(", "a" * 9000, ".*", "(?P<x>", "^$", "The .*", "\\d+(?=x)", "[[:alpha:]]", "x{99999999999}", "\ud83d"):
        try_text(place, "t.txt", TEXT.encode(), heading=heading)


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def header(text: str, body: bytes = b"\0" * 800) -> bytes:
    """A .npy file whose header says so."""
    padded = text.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + body


def nasty_arrays() -> list[tuple[str, bytes]]:
    points = np.random.default_rng(0).standard_normal((40, 2))
    return [
        ("a.npy", npy(value))
        for value in (
            points, points.astype("f2"), points.astype(">f8"), points.astype(np.complex128), points > 0, points.astype("i1"), np.zeros((40, 2)), np.ones((40, 1)), np.full((40, 2), 1e308), points * 1e200, points * 1e-300, np.full((40, 1), 5e-324), np.asfortranarray(points), points[:, 0], points[0, 0], points[:, :0], points[:0], points[None],
            np.where(points > 2, np.nan, points), np.where(points > 1, -np.inf, points), np.full((40, 1), 2**63 - 1), np.arange(80, dtype="u8").reshape(40, 2) + 2**63, np.array(["a"] * 40), np.array([b"a"] * 40), np.array([None] * 40), np.array([{"a": 1}] * 40), np.array(["2026-01-01"] * 40, dtype="M8[D]"), np.zeros(40, dtype=[("x", "f8")]), np.zeros(40, dtype="V8"), np.zeros((40, 30)), points.astype(np.longdouble),
            np.repeat(points[:1], 40, axis=0), np.eye(40), np.column_stack([points, points]), np.array([1e100, -1e100] * 20), np.float64(3), np.zeros((3, 3)),
        )
    ] + [
        ("a.npz", npz(x=points)), ("a.npz", npz(x=points, y=points)), ("a.npz", npz()), ("a.npz", npz(x=np.array([None] * 40))), ("a.npz", b"PK\x05\x06" + b"\0" * 18), ("a.npz", npy(points)), ("a.npy", npz(x=points)), ("a.npz", gzip.compress(npy(points), mtime=0)), ("a.npy", b""), ("a.npy", b"\x93NUMPY"), ("a.npy", b"\x93NUMPY\x09\x09"), ("a.npy", TEXT.encode()), ("a.npz", npz(**{"../x": points})), ("a.npz", npz(**{"": points})),
        ("a.npy", header("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 99999), }")), ("a.npy", header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 2), }")), ("a.npy", header("{'descr': '<f8', 'fortran_order': False, 'shape': (True, 2), }")), ("a.npy", header("{'descr': '<f8', 'fortran_order': 3, 'shape': (40, 2), }")), ("a.npy", header("{'descr': 'O', 'fortran_order': False, 'shape': (40, 2), }")), ("a.npy", header("{'descr': '<f8', 'fortran_order': False, 'shape': ('a',), }")),
        ("a.npy", header("__import__('os').getpid()")), ("a.npy", header("[" * 100)), ("a.npy", header("{'descr': [('x', '<f8')], 'fortran_order': False, 'shape': (40,), }")), ("a.npy", header("{'descr': '<f999', 'fortran_order': False, 'shape': (40,), }")), ("a.npy", header("{'descr': '<f8', 'fortran_order': False, 'shape': (), }")), ("a.npy", header("{1: 2}")), ("a.npy", header("{'descr': None, 'fortran_order': False, 'shape': (40,), }")), ("a.npy", header("\0" * 50)),
    ]  # fmt: skip


def try_array(place: Place, name: str, content: bytes, learner: Any) -> None:
    (place.inputs / name).write_bytes(content)
    draw = {"prompts": "human"} if learner == "regression" else {"prompts": "none"}
    recipe = spec("array", human={"array": f"inputs/{name}", "rows": 13}, learner=learner, draw=draw, policy={"kind": "accumulate"})
    try_experiment(place, f"{name} {learner} {content!r:.200}", written(recipe))
    (place.inputs / name).unlink()


def test_no_odd_array_breaks_a_promise(place, no_page):
    learners = itertools.cycle(
        ["gaussian", "kde", {"kind": "gaussian_mixture", "components": 2, "iterations": 3}, "regression", "categorical"]
    )
    for name, content in nasty_arrays():
        try_array(place, name, content, "gaussian")
        try_array(place, name, content, next(learners))


def test_no_bytes_of_an_array_break_a_promise(place, no_page):
    rng = random.Random(500)
    points = np.random.default_rng(0).standard_normal((40, 2))
    contents = {"a.npy": npy(points), "a.npz": npz(x=points)}
    for _ in range(120):
        name = rng.choice(list(contents))
        content = contents[name]
        damaged = flipped(content[:140], rng) + content[140:] if rng.random() < 0.6 else flipped(content, rng)
        try_array(place, name, damaged, "gaussian")


# Ledgers and run folders


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> dict[str, Path]:
    """Two finished runs, one of numbers and one of text, each with its experiment file beside it."""
    runs = {}
    for name in ("normal", "path"):
        root = tmp_path_factory.mktemp(name)
        (root / "inputs").mkdir()
        (root / "bystanders").mkdir()
        place = Place(root.resolve())
        ready(place)
        path = place.write(
            "e.yaml",
            written(
                spec(
                    name,
                    policy={"kind": "human_share", "share": 0.5},
                    metrics=["fitted_law"] if name == "normal" else ["lexical_diversity"],
                )
            ),
        )
        outcome = call(place.root, "run", str(path), "--out", str(place.out), "--quiet")
        assert outcome.code == 0, outcome.err
        runs[name] = place.root
    return runs


def copied(place: Place, finished: Path) -> None:
    """The finished run and its inputs, in this place."""
    for name in ("inputs", "out"):
        shutil.rmtree(place.root / name, ignore_errors=True)
        shutil.copytree(finished / name, place.root / name, symlinks=True)


def go_on(place: Place, case: str, *more: str) -> Outcome:
    return place.try_(case, "run", place.inputs / "e.yaml", "--out", place.out, "--quiet", *more)


def signed(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry whose digests fit what it says, as a forger makes them."""
    with contextlib.suppress(Exception):
        entry["key"] = key_of(entry)
    with contextlib.suppress(Exception):
        entry["output"] = output_of(entry)
    return entry


def forged_line(entry: dict[str, Any]) -> bytes:
    """The line of an entry with the digest that a forger gives it; without one where it has none."""
    try:
        return sealed(entry)
    except Exception:
        return json.dumps(entry).encode() + b"\n"


ODD: list[Any] = [
    None,
    True,
    -1,
    10**30,
    1.5,
    math.nan,
    "",
    "x",
    "../x",
    [],
    {},
    [[]],
    {"": ""},
    "\ud800",
    "x" * 9000,
    [1, 2, 3, 4],
    {"a": None},
]
AWAY = [
    "../../../bystanders/secret.txt",
    "../../../bystanders/folder/vectors.npz",
    "ABSOLUTE",
    "..",
    ".",
    "",
    "/",
    "a/../../../../bystanders/secret.txt",
    "\0",
    "x" * 5000,
    "vectors.npz/../vectors.npz",
    "../../experiment.yaml",
    "\\..\\x",
    "~/.bashrc",
    "/dev/zero",
    "/dev/stdin",
]


def mutated_ledger(lines: list[bytes], place: Place, rng: random.Random) -> bytes:
    entries = [json.loads(line) for line in lines]
    change = rng.randrange(9)
    at = rng.choice([i for i, entry in enumerate(entries) if "files" in entry or change not in (2, 3, 5)])
    entry = entries[at]
    if change == 0:
        entry[rng.choice([*entry, "new"])] = rng.choice(ODD)
    elif change == 1:
        entry[rng.choice(list(entry))] = rng.choice(ODD)
        signed(entry)
    elif change == 2:
        secret = place.bystanders / "secret.txt"
        name = rng.choice(AWAY).replace("ABSOLUTE", str(secret))
        entry["files"] = {name: hashlib.sha256(secret.read_bytes()).hexdigest()} | (entry["files"] if rng.random() < 0.5 else {})
        entry.pop("readings", None)
        signed(entry)
    elif change == 3:
        entry["key"] = rng.choice(AWAY).replace("ABSOLUTE", str(place.bystanders / "folder"))
        entry["files"] = {"vectors.npz": hashlib.sha256(b"not ours").hexdigest()}
    elif change == 4:
        entry.pop(rng.choice(list(entry)))
        if rng.random() < 0.5:
            signed(entry)
    elif change == 5:
        stream = list(entry["stream"])
        stream[rng.randrange(4)] = rng.choice(ODD)
        entry["stream"] = rng.choice([stream, stream[:2], stream * 2])
        signed(entry)
    elif change == 6:
        for logged in entries:
            for reading in logged.get("readings", []):
                target = rng.choice([reading, reading["estimate"] or reading])
                target[rng.choice([*target, "new"])] = rng.choice(ODD)
                if rng.random() < 0.3:
                    reading.pop("estimate", None)
            signed(logged)
    elif change == 7:
        junk = rng.choice(
            [
                b"[" * 50_000,
                b'{"key": ' * 9000,
                b"\0" * 9000,
                b"null",
                b"[]",
                b"1",
                b'"x"',
                b"{}",
                b"x" * 2_000_000,
                b"\xff\xfe",
                b"NaN",
                b"9" * 9000,
                lines[at] * 2,
                lines[at][: len(lines[at]) // 2],
            ]
        )
        return b"\n".join([*lines[:at], junk, *lines[at + rng.randrange(2) :]]) + rng.choice([b"\n", b""])
    else:
        return flipped(b"\n".join(lines) + b"\n", rng)
    return b"".join(map(forged_line, entries))


@pytest.mark.parametrize("chunk", range(4))
def test_no_ledger_breaks_a_promise_or_leads_out_of_its_folder(chunk, finished, place, no_page):
    rng = random.Random(600 + chunk)
    name = "path" if chunk == 3 else "normal"
    lines = (finished[name] / "out" / "ledger.jsonl").read_bytes().splitlines()
    for i in range(12 if name == "path" else 30):
        copied(place, finished[name])
        content = mutated_ledger(lines, place, rng)
        (place.out / "ledger.jsonl").write_bytes(content)
        fork = ["--fork", "draw.temperature=0.5"] if i % 5 == 4 else []
        spoilt_lines = [line for line in content.splitlines() if line not in lines]
        go_on(place, f"ledger {(spoilt_lines or [b''])[0]!r:.700} {fork}", *fork)
        for forked in place.root.glob("out-fork-*"):
            shutil.rmtree(forked)
        place.problems = [problem for problem in place.problems if "out-fork-1" not in problem]


def test_a_damaged_ledger_changes_no_reading(finished, place, no_page):
    """Lines lost, cut, flipped or doubled by a crash are done again, to the same numbers."""
    rng = random.Random(650)
    clean = polars.read_parquet(finished["normal"] / "out" / "readings.parquet")
    content = (finished["normal"] / "out" / "ledger.jsonl").read_bytes()
    for _ in range(15):
        copied(place, finished["normal"])
        (place.out / "ledger.jsonl").write_bytes(flipped(content, rng))
        outcome = go_on(place, "damaged ledger")
        if outcome.code != 0 or not polars.read_parquet(place.out / "readings.parquet").equals(clean):
            place.problems.append(f"other readings, or {outcome.code} {outcome.err}")


def test_no_file_of_a_run_folder_breaks_a_promise(finished, place, no_page):
    """Files of a run flipped, emptied, removed, made folders or links that lead elsewhere."""
    rng = random.Random(700)
    for name, times in (("normal", 45), ("path", 10)):
        paths = [path.relative_to(finished[name] / "out") for path in files(finished[name] / "out") if not path.is_symlink()]
        for _ in range(times):
            copied(place, finished[name])
            path = place.out / rng.choice(paths)
            change = rng.randrange(8)
            if change <= 2:
                path.write_bytes(flipped(path.read_bytes(), rng))
            elif change == 3:
                path.write_bytes(rng.choice([b"", b"\0" * 50, b"x", b"[]", b"null", "é".encode("latin-1")]))
            elif change == 4:
                path.unlink()
            elif change == 5:
                path.unlink()
                path.mkdir()
            elif change == 6:
                path.unlink()
                path.symlink_to(place.bystanders / "secret.txt")
            else:
                shutil.rmtree(path.parent) if path.parent != place.out else path.unlink()
                spoilt_at = path.parent if path.parent != place.out else path
                spoilt_at.symlink_to(place.bystanders / rng.choice(["folder", "secret.txt", "nowhere"]))
            go_on(place, f"{path.relative_to(place.out)} change {change}")


@pytest.mark.parametrize("linked", ["arms", "arms/ARM", "arms/ARM/seed-0", "arms/ARM/seed-0/g00", "steps", "timing.jsonl", ".run.lock", ".ledger.lock", "ledger.jsonl", "experiment.yaml", "environment.json", "readings.parquet"])  # fmt: skip
@pytest.mark.parametrize("target", ["folder", "secret.txt", "nowhere"])
def test_no_link_in_a_run_folder_is_written_through(linked, target, finished, place, no_page):
    copied(place, finished["normal"])
    arm = next((place.out / "arms").iterdir()).name
    path = place.out / linked.replace("ARM", arm)
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    path.symlink_to(place.bystanders / target)
    go_on(place, f"{linked} -> {target}")


@pytest.mark.parametrize("kept", ["as it was", "digests forged"])
def test_no_stored_step_breaks_a_promise(kept, finished, place, no_page):
    """What a step made is spoilt, and the ledger says that it is whole."""
    rng = random.Random(750)
    for name, times in (("normal", 22), ("path", 8)):
        paths = [path.relative_to(finished[name] / "out") for path in files(finished[name] / "out" / "steps")]
        for _ in range(times):
            copied(place, finished[name])
            path = place.out / rng.choice(paths)
            content = rng.choice(
                [
                    flipped(path.read_bytes(), rng),
                    b"",
                    b"{}",
                    b"[]",
                    npz(mean=np.zeros(3)),
                    npy(np.array([None])),
                    parquet_of(a=[1]),
                ]
            )
            path.write_bytes(content)
            if kept == "digests forged":
                forge(place.out / "ledger.jsonl", path)
            go_on(
                place, f"{kept} {path.relative_to(place.out)} {content!r:.120}", *(["generations=3"] if rng.random() < 0.5 else [])
            )


def forge(ledger: Path, path: Path) -> None:
    """Give the entry of a step the digest that its spoilt file has, and all that depend on it nothing."""
    entries = [json.loads(line) for line in ledger.read_bytes().splitlines()]
    for entry in entries:
        if entry.get("key") in path.parts:
            place = path
            while place.parent.name != entry["key"]:
                place = place.parent
            entry["files"][str(path.relative_to(place.parent))] = hashlib.sha256(path.read_bytes()).hexdigest()
            signed(entry)
    ledger.write_bytes(b"".join(map(sealed, entries)))


# Reports of spoilt runs


@pytest.mark.parametrize("file", ["experiment.yaml", "environment.json", "timing.jsonl", "ledger.jsonl"])
def test_no_file_beside_the_readings_breaks_show_or_report(file, finished, place):
    rng = random.Random(850)
    copied(place, finished["normal"])
    path = place.out / file
    clean = path.read_bytes()
    contents = [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b"x",
        b"[" * 20_000,
        b'{"a": NaN}',
        b"9" * 9000,
        b'{"seconds": 1e999}\n{"seconds": NaN}\n{"seconds": true}\n',
        b"name: [1]\narms: 3\n",
        b"name: 2026-99-99\n",
        b"arms: {a: b}\n",
        b"arms: [[], 1, null]\n",
        b"a: &a [*a]\n",
        b"? [a]\n: b\n",
        b"!!python/object:os.x {}\n",
    ]
    contents += [flipped(clean, rng) for _ in range(8)]
    for i, content in enumerate(contents):
        path.write_bytes(content)
        place.try_(f"show {file} {content!r:.100}", "show", place.out, "--json", again=False)
        if i % 2 == 0:  # a page takes five times as long, and reads the same files
            (place.out / "report.html").unlink(missing_ok=True)
            place.try_(f"report {file} {content!r:.100}", "report", place.out, again=False)
    path.unlink()
    path.mkdir()
    place.try_(f"show, {file} is a folder", "show", place.out, again=False)
    place.try_(f"report, {file} is a folder", "report", place.out, again=False)
