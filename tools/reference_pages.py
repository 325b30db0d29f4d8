"""The pages of docs/reference that are written from the code, and docs/reproduction.md; tests/test_reference.py holds each file to its page."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

from cyclopts import App

from outcross.attributes import ATTRIBUTES, LEARNED
from outcross.classifiers import CLASSIFIERS
from outcross.cli import app
from outcross.collapse.definitions import DEFINITIONS, definition
from outcross.collapse.growth import GROWTH, growth_law
from outcross.detectors import DETECTORS
from outcross.experiment import Experiment
from outcross.experiment.bounds import side_of
from outcross.experiment.file import builtin
from outcross.experiment.rows import Growth
from outcross.experiment.teachers import Teacher
from outcross.filters import FILTERS
from outcross.laws import LAWS, law
from outcross.measures import ASPECTS, MEASURES, Page, askers, measure
from outcross.models import LEARNERS
from outcross.models.draw import Draw
from outcross.models.schedule import Schedule
from outcross.policies import POLICIES
from outcross.recipe import Family, Nested, member, plain
from outcross.sources import SOURCES
from outcross.targets import TARGETS
from outcross.verbs.mix.asked import MixFilter, MixOrigin, MixPool, MixRecipe
from outcross.verbs.mix.search.settings import MixSearch
from outcross.verbs.mix.splits.settings import Lineage, Splits, SplitShare
from outcross.verbs.mix.targets.settings import Target
from outcross.verbs.parts import SCHAEFFER, checks_page, filters_page
from outcross.verbs.reproduce.answer import listed
from outcross.verbs.reproduce.page import claims_page, markdown

PAGES_OF_FAMILIES: Mapping[int, str] = {
    id(family): name
    for name, family in (
        ("policies", POLICIES), ("models", LEARNERS), ("measures", MEASURES), ("filters", FILTERS), ("sources", SOURCES), ("attributes", ATTRIBUTES), ("classifiers", CLASSIFIERS),
    )
}  # fmt: skip


def commands_page() -> str:
    """docs/reference/commands.md: every command with its options, and the exit codes."""
    lines = ["# Commands", "", COMMANDS_INTRODUCTION, ""]
    for name in app:
        if not name.startswith("-"):
            lines += _command(name, app[name])
    return "\n".join([*lines, EXIT_CODES, ""])


COMMANDS_INTRODUCTION = """Every command has a Python function of the same name that takes the same options as keywords: `outcross audit new.csv --reference human.csv` is
`outcross.audit("new.csv", reference="human.csv")`. The function of `list` is `outcross.parts`. `outcross COMMAND --help` prints the same descriptions."""

EXIT_CODES = """## Exit codes

| code | meaning |
|---|---|
| 0 | The command did what it was asked to do. |
| 1 | A gate failed: an audit with `--fail-on` found a loss, a missing column, or a check that could not answer. |
| 2 | The command line or an input file is wrong. Nothing was computed, or what was computed was not written. |
| 3 | The machine gave out (memory, disk, open files, the network), or there is a bug in Outcross. |
| 130 | The command was interrupted. Run it again: it resumes where it stopped. |

Every error is one line on standard error. It names the value, the rule and what to do. Set `OUTCROSS_DEBUG=1` to see the traceback too."""


def _command(name: str, command: App) -> Iterator[str]:
    arguments = [argument for argument in command.assemble_argument_collection(parse_docstring=True) if argument.show]
    positional = [argument for argument in arguments if "POSITIONAL" in str(argument.field_info.kind)]
    usage = " ".join(
        (word if argument.required else f"[{word}]") for argument in positional for word in [argument.name.lstrip("-").upper()]
    )
    yield from (f"## {name}", "", _unwrapped(command.help or ""), "", f"    outcross {name} {usage} [OPTIONS]".rstrip(), "")
    yield from ("| option | if left out | meaning |", "|---|---|---|")
    for argument in arguments:
        shown = [word for word in argument.names if not word.startswith(("--no-", "--empty-")) or "".join(argument.names) == word]
        words = [argument.name.lstrip("-").upper()] if argument in positional else shown
        default = "needed" if argument.required else _default(argument.field_info.default)
        yield _row(" ".join(f"`{word}`" for word in words), default, argument.parameter.help or "")
    yield ""


def experiment_page() -> str:
    """docs/reference/experiment-file.md: every key of an experiment file."""
    lines = [
        "# The experiment file",
        "",
        EXPERIMENT_INTRODUCTION,
        "",
        "## Keys",
        "",
        *_keys(Experiment, FROM_THE_FILE),
        "",
        ARMS,
        "",
    ]
    for key, cls, words in (
        ("draw", Draw, "How a model is sampled."),
        ("training", Schedule, "How a network is trained. Learners that are fitted in closed form have no such key."),
        ("rows", Growth, "`rows: {grow: 1.5}` in place of a number."),
        (
            "a teacher",
            Teacher,
            "`teachers: {a: {reads: own}, b: {reads: 0.1}}` maps names to these ([several teachers](../howto/communities.md)).",
        ),
    ):
        lines += [f"## Keys of {key}", "", words, "", *_keys(cls), ""]
    return "\n".join([*lines, STOP_WHEN, ""])


EXPERIMENT_INTRODUCTION = """An experiment is one YAML file. `outcross run my.yaml` runs it, and `outcross show my.yaml` prints every key with its value, the default values too.
Any key can be changed on the command line by its dotted name: `outcross run my.yaml generations=10 policy.share=0.2`.

A key that holds a part (`human`, `learner`, `policy`, `select`, `metrics`) is a name, as in `policy: replace`, or a mapping with the part's settings, as in
`policy: {kind: human_share, share: 0.1}`. The settings of each part are on the page of its family: [sources of human data](sources.md) for `human`,
[models](models.md) for `learner`, [policies](policies.md), [filters](filters.md) for `select`, [measures](measures.md) for `metrics`.

`human` names its source by one of the keys `text`, `distribution`, `path`, `hub` and `array`: `human: {text: stdlib}`, `human: {distribution: normal, rows: 100}`,
`human: {path: corpus.jsonl, text_column: text}`."""

STOP_WHEN = """## Keys of stop_when

Each key is a reading of the experiment, and its value says how far that reading may go: the ratio of the reading to its value at generation 0. It is above 1 for a reading that
rises as data collapse (`held_out_perplexity: 1.2` allows a rise by a fifth), and below 1 for one that falls (`tail_survival: 0.8` allows a fall by a fifth).

- `tail_survival` is the mean over the frequency bands of `rare_words_beyond_prompt`, or of `rare_words` if the first is not measured.
- `log_variance`, `excess_loss`, `group_loss_gap` and `next_token_entropy_change` are logarithms. The bound is on the ratio of the quantity itself, not on its logarithm:
  `log_variance: 0.8` allows the variance to fall by a fifth.
- A reading with several places is compared with the bound at each place. If it also has a reading of the whole, only that one is compared.
- A reading is refused if it may rise or fall as data collapse, if it is 0 when nothing is lost, or if it has no interval (a single chain).

An arm stops after the generation at which a reading is significantly beyond its bound; the command then ends with exit code 1. How the rule decides, and how often it errs:
[stop a run in time](../howto/early-warning.md)."""

ARMS = """## Keys of the file alone

These keys make several arms out of one file; an arm is one variant of the experiment. They are resolved before anything runs.

| key | meaning |
|---|---|
| `sweep` | A list of values for each dotted key. Every combination is an arm: `sweep: {policy.share: [0.1, 0.5], seed: [0, 1]}`. Values of `seed` are repeats of an arm. |
| `arms` | A list of mappings. Each has a `name` and the keys that it changes. |
| `sizes` | Settings by the name of a size. `size=small` on the command line applies those of `small`. |
| `size` | The size that is used; `full` is the file as it is written. |"""


def mix_page() -> str:
    """docs/reference/mix-file.md: every key of a mix file."""
    lines = ["# The mix file", "", MIX_INTRODUCTION, "", "## Keys", "", *_keys(MixRecipe), ""]
    for key, cls, words in (
        ("a pool", MixPool, "`pools` is a list of these."),
        ("origin", MixOrigin, "`origin: human` is short for `origin: {author: human}`, and `origin: {model: gpt-x}` for an author `model`."),
        ("an entry of filters", MixFilter, "`filters: [drop_duplicates]` is short for `filters: [{filter: drop_duplicates}]`; the filters are on [their page](filters.md)."),
        ("search", MixSearch, "`search: true` uses every default."),
        ("splits", Splits, "Shares that add up to 1: `splits: {train: 0.9, test: 0.1}`."),
        ("a split", SplitShare, "A number is short for `{share: …}`."),
        ("lineage", Lineage, "The keys that put rows into one family; a whole family goes to one split."),
    ):  # fmt: skip
        lines += [f"## Keys of {key}", "", words, "", *_keys(cls), ""]
    lines += ["## Keys of a target", "", TARGET_INTRODUCTION, ""]
    for cls in typing.get_args(Target):
        lines += [f"### {_in_words(cls.__name__)}", "", _document(cls), "", *_keys(cls), ""]
    return "\n".join(lines)


MIX_INTRODUCTION = """A mix file is YAML. `outcross mix mix.yaml --plan` shows the requested and the possible mix; `outcross mix mix.yaml --out train` writes the training set.
[Building a training set](../howto/mix.md) explains the keys with examples."""

TARGET_INTRODUCTION = "An entry of `targets` is of one of these kinds, which is recognised by its keys."


def family_page(title: str, introduction: str, family: Family) -> str:
    """A page of a family: every part, with its settings and the paper that it comes from."""
    lines = [f"# {title}", "", introduction, ""]
    for name in family:
        cls = member(family, name, "part")
        lines += [f"## {name}", "", _document(cls), ""]
        if is_dataclass(cls) and (settings := list(_keys(cls)))[2:]:
            lines += [*settings, ""]
        if family is MEASURES:
            lines += _of_a_measure(cls)
        page = getattr(cls, "page", None)
        if page is not None and getattr(page, "definition", ""):
            lines += [page.definition, ""]
        if paper := getattr(cls, "paper", None) or getattr(page, "paper", None):
            lines += [f"*Source*: {paper}", ""]
        if exports := getattr(cls, "exports", ()):
            lines += [f"*Can be exported to*: {', '.join(exports)}", ""]
    return "\n".join(lines)


def _of_a_measure(cls: Any) -> list[str]:
    asked = " and ".join(f"an {asker}" if asker == "audit" else f"a {asker}" for asker in askers(cls))
    readings = ", ".join(f"[`{name}`](readings.md#{name})" for name in cls.pages)
    return [f"Aspect {cls.aspect}; taken by {asked}. Readings: {readings}.", ""]


def readings_page() -> str:
    """docs/reference/readings.md: every reading of every measure."""
    lines = ["# Readings", "", READINGS_INTRODUCTION, ""]
    for aspect, question in ASPECTS.items():
        lines += [f"## Aspect {aspect}", "", question, ""]
        for name in MEASURES:
            if measure(name).aspect == aspect:
                for reading, page in measure(name).pages.items():
                    lines += [*_reading(reading, page, name, askers(measure(name))), ""]
    return "\n".join(lines)


READINGS_INTRODUCTION = """A reading is a number that a measure reads off the data, with its 95 % interval and the number of records that it rests on, or the reason why it cannot be computed.
A run reads them at every generation; an audit reads them once. The code of a reading never changes. *Healthy* is its value when nothing is lost, *collapsed* the value that it approaches
as data collapse. The table of [checks](checks.md) has the tolerance of every reading that an audit judges."""


def _reading(name: str, page: Page, measured_by: str, taken_by: tuple[str, ...]) -> Iterator[str]:
    yield f"### {name}"
    yield ""
    yield f"**{page.title}** ({page.code}). {_sentence(page.definition)}"
    yield ""
    direction = {"either": "either direction", None: "neither direction by itself"}.get(page.worse, page.worse)
    if page.worse is None and (side := side_of(name, page)) is not None:
        direction = f"{side} as data collapse; an audit judges neither direction. A bound of `stop_when` or of a budget limits the reading on this side"
    yield f"Unit: {page.unit}. Healthy: {page.healthy_words}. Collapsed: {page.collapsed}. Worse: {direction}. Role: {page.role}."
    yield ""
    yield f"Read by the measure [`{measured_by}`](measures.md#{measured_by}), in {' and in '.join(f'an {verb}' if verb == 'audit' else f'a {verb}' for verb in taken_by)}. *Source*: {page.paper}"


def laws_page() -> str:
    """docs/reference/laws.md: every closed form as a function, with its source."""
    lines = [
        "# Closed forms as functions",
        "",
        LAWS_INTRODUCTION,
        "",
        "| function | row | result | source |",
        "|---|---|---|---|",
    ]
    for name, form in LAWS.items():
        function = law(name)
        lines.append(_row(f"`{name}{inspect.signature(function)}`", form.id, _first_sentence(_document(function)), form.citation))
    return "\n".join([*lines, ""])


LAWS_INTRODUCTION = """`outcross.laws.law("variance_replace")` gives the function. T counts fits: T = g + 1 for generation g. The [formulas](../explanation/formulas.md) have a page
of their own, and [another page](../explanation/laws.md) names the test of each."""


def growth_page() -> str:
    """docs/reference/growth.md: every growth law of a forecast."""
    lines = ["# Growth laws", "", GROWTH_INTRODUCTION, "", "| law | statement | needs | source |", "|---|---|---|---|"]
    for name in GROWTH:
        growth = growth_law(name)
        lines.append(
            _row(f"`{name}`", _document(type(growth)).replace("\n\n", " "), f"{growth.min_generations} generations", growth.paper)
        )
    return "\n".join([*lines, ""])


GROWTH_INTRODUCTION = """A growth law extrapolates a reading beyond the last generation that was run. [`outcross forecast`](../howto/forecast.md) weighs the laws by how well they would have predicted the known generations.
The first three are also the baselines that forecasts are compared with. `outcross list growth` prints a short version of this table."""


def definitions_page() -> str:
    """docs/reference/definitions.md: the eight definitions of collapse."""
    lines = ["# The definitions of collapse", "", DEFINITIONS_INTRODUCTION, ""]
    for name in DEFINITIONS:
        lines += [f"## {name}", "", _document(definition(name)), ""]
    return "\n".join(lines)


DEFINITIONS_INTRODUCTION = f"""Papers mean different things by *model collapse*. Eight definitions are in use ({SCHAEFFER}). The profile on the page of a run answers each of them by itself:
yes, no, or cannot tell, with the reading that decides it."""


def experiments_page() -> str:
    """docs/reference/experiments.md: the built-in experiments, as they are written."""
    lines = ["# The built-in experiments", "", EXPERIMENTS_INTRODUCTION, ""]
    for name, path in builtin().items():
        lines += [f"## {name}", "", f"    outcross run {name}", "", "```yaml", path.read_text(encoding="utf-8").rstrip(), "```", ""]
    return "\n".join(lines)


EXPERIMENTS_INTRODUCTION = (
    """`outcross run NAME` runs one of these. `outcross show NAME` prints it with every default: a start for a file of your own."""
)


FROM_THE_FILE = {"name": "the name of the file; needed in Python"}
"""Keys that an experiment file may leave out, because their values follow from the file itself."""


def _keys(cls: type, instead: Mapping[str, str] | None = None) -> Iterator[str]:
    """A table of the settings of a recipe: name, values, default, meaning. `instead` replaces the default of some keys by words."""
    yield "| key | values | if left out | meaning |"
    yield "|---|---|---|---|"
    said, hints = _said(cls), _hints(cls)
    for field in fields(cls):  # type: ignore[arg-type]
        default = "needed"
        if field.default is not MISSING:
            default = _default(field.default)
        elif field.default_factory is not MISSING:
            default = _default(field.default_factory())
        default = (instead or {}).get(field.name, default)
        yield _row(f"`{field.name}`", _values(hints.get(field.name)), default, said.get(field.name) or OFTEN.get(field.name, ""))


OFTEN = {
    "rows": "Records of the human training set.",
    "dimensions": "Numbers of a record.",
    "states": "How many states there are.",
    "law": "How the probabilities of the states fall: all alike, or by Zipf's law.",
    "hub": "The id of a dataset on the Hugging Face Hub, or a folder that `datasets` saved.",
    "configuration": "The configuration of the dataset.",
    "split": "The split that is read.",
    "text_column": "The column that holds text.",
    "group_column": "Whose text it is: a language, a speaker.",
    "held_out": "The fraction of documents that is held out of training.",
    "held_out_rows": "Blocks of each held-out sample, at most; all if left out.",
}
"""The meaning of keys that several parts have in common."""


def _default(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if (
        value is None
        or value is MISSING
        or value is inspect.Parameter.empty
        or (isinstance(value, str | tuple | Mapping | list) and not value)
    ):
        return "–"
    if is_dataclass(value):
        value = plain(value)
        return f"`{value['kind']}`" if isinstance(value, dict) and "kind" in value else "see below"
    return f"`{value}`"


def _hints(cls: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except (NameError, TypeError):
        return {}


def _values(hint: Any) -> str:
    """What may stand under a key, in words; empty where the type says nothing that the meaning does not."""
    if hint is None:
        return ""
    bounds, origin = [], typing.get_origin(hint)
    if origin is typing.Annotated:
        hint, *notes = typing.get_args(hint)
        for note in notes:
            if isinstance(note, Nested):
                if note.family is not None and id(note.family) in PAGES_OF_FAMILIES:
                    page = PAGES_OF_FAMILIES[id(note.family)]
                    return f"[{page}]({page}.md)"
                return "a mapping" if note.recipe is not None else ""
            bounds += [
                f"{words} {limit:,}" if isinstance(limit, int) else f"{words} {limit:g}"
                for constraint in getattr(note, "metadata", ())
                for name, words in (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below"))
                if (limit := getattr(constraint, name, None)) is not None and isinstance(limit, int | float)
            ]
        return ", ".join(filter(None, (_values(hint), *bounds)))
    arguments = [argument for argument in typing.get_args(hint) if argument is not type(None)]
    if origin is Literal:
        return ", ".join(f"`{argument}`" for argument in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(filter(None, map(_values, arguments))))
    if origin in (tuple, list):
        return "a list"
    if origin is dict or (isinstance(hint, type) and issubclass(hint, Mapping)):
        return "a mapping"
    return {int: "whole number", float: "number", bool: "`true`, `false`", str: "text"}.get(hint, "")


def _said(cls: type) -> dict[str, str]:
    """What stands below each field in the source, those of the classes that it extends too."""
    said: dict[str, str] = {}
    for owner in reversed(cls.__mro__):
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0].body  # type: ignore[attr-defined]
        except (OSError, TypeError):
            continue
        for field, below in zip(body, [*body[1:], None], strict=True):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                    said[name] = " ".join(words.split())
    return said


def _document(part: Any) -> str:
    return _safe(inspect.getdoc(part) or "")


def _unwrapped(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in inspect.cleandoc(text).split("\n\n"))


def _safe(text: str) -> str:
    """A docstring as Markdown: its examples as code, its angle brackets and stars as they are."""
    blocks = []
    for paragraph in text.split("\n\n"):
        if paragraph.lstrip().startswith(">>>"):
            blocks.append("```python\n" + textwrap.dedent(paragraph).rstrip() + "\n```")
        elif paragraph.startswith("    "):
            blocks.append(paragraph)
        else:
            head, doctest, tail = paragraph.partition("\n>>>")
            blocks.append(_escaped(" ".join(head.split())))
            if doctest:
                blocks.append("```python\n" + f">>>{tail}".rstrip() + "\n```")
    return "\n\n".join(blocks)


def _escaped(text: str) -> str:
    """Markdown that shows these words: what is not code has its stars, angle and square brackets escaped."""
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(piece if piece.startswith("`") else re.sub(r"([*<\[\]])", r"\\\1", piece) for piece in pieces)


def _sentence(text: str) -> str:
    text = _escaped(text)
    return text if text.endswith((".", ")")) else f"{text}."


def _first_sentence(text: str) -> str:
    return text.split("\n\n")[0]


def _in_words(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()


def _row(*cells: str) -> str:
    return "| " + " | ".join(re.sub(r"(?<!\\)\|", "\\|", cell) for cell in cells) + " |"


def _family(title: str, introduction: str, family: Family) -> Callable[[], str]:
    return lambda: family_page(title, introduction, family)


REPRODUCTION = Path(__file__).parent.parent / "docs" / "reproduction"
"""What is kept of the claims that were run: a file of comparisons each, in results, and a figure each."""


def reproduction_page() -> str:
    """docs/reproduction.md: what came of the claims, by the verdicts that today's rules give to the comparisons that are kept."""
    return markdown(listed(REPRODUCTION), {path.stem for path in REPRODUCTION.glob("*.svg")})


PAGES: Mapping[str, Callable[[], str]] = {
    "checks.md": checks_page,
    "filters.md": filters_page,
    "commands.md": commands_page,
    "experiment-file.md": experiment_page,
    "mix-file.md": mix_page,
    "policies.md": _family("Policies", "A policy chooses the training set of each generation after the first. It is the key `policy` of an experiment file.", POLICIES),
    "models.md": _family("Models", "A learner is fitted to records and gives a model, which writes new records. It is the key `learner` of an experiment file.", LEARNERS),
    "sources.md": _family("Sources of human data", "A source reads or draws the human data of an experiment. It is the key `human` of an experiment file.", SOURCES),
    "classifiers.md": _family(
        "Classifiers", "A classifier labels the records that a generator writes, and learns from them. It is the setting `learner.classifier` of the learner `labelling`.", CLASSIFIERS,
    ),
    "attributes.md": _family(
        "Attributes",
        "An attribute is a number for each text. Filters and targets compare records by it: `{best_of: {by: flesch}}`. The last ones are learned from labels or read from a folder.",
        {**ATTRIBUTES, **LEARNED},
    ),
    "detectors.md": _family("Detectors", "A detector estimates how likely it is that a model wrote a text. `outcross detect --detector NAME` uses it.", DETECTORS),
    "targets.md": _family("Export formats", "`outcross export RUN --to NAME` writes in one of these formats.", TARGETS),
    "measures.md": _family(
        "Measures",
        "A measure reads numbers off the records of a generation or of an audit. `metrics` in an experiment file names the measures of a run. If it is left out, a run takes the defaults. "
        "Every [reading](readings.md) has an entry of its own.",
        MEASURES,
    ),
    "readings.md": readings_page,
    "laws.md": laws_page,
    "growth.md": growth_page,
    "definitions.md": definitions_page,
    "experiments.md": experiments_page,
    "claims.md": claims_page,
    "../reproduction.md": reproduction_page,
}  # fmt: skip
"""The pages by their file."""
