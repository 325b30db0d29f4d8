"""The catalogue of parts: every part of every family, with its description and its paper."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields
from functools import partial
from pathlib import Path
from typing import Any

from outcross import own_parts, own_source
from outcross.attributes import ATTRIBUTES
from outcross.classifiers import CLASSIFIERS
from outcross.collapse.definitions import DEFINITIONS, definition
from outcross.collapse.growth import GROWTH, growth_law
from outcross.detectors import DETECTORS
from outcross.errors import BadInput
from outcross.experiment.file import builtin
from outcross.filters import FILTERS
from outcross.laws import LAWS, law
from outcross.measures import ASPECTS, MEASURES, askers, audit_aspects, measure
from outcross.measures.severity import WORKED
from outcross.models import LEARNERS
from outcross.policies import POLICIES
from outcross.recipe import Family, first_line, member, nearest, plain
from outcross.sources import SOURCES
from outcross.statistics.variety import WORKED_VARIETY
from outcross.targets import TARGETS

SCHAEFFER = "Schaeffer et al., Position: Model Collapse Does Not Mean What You Think, arXiv:2503.03150"
FAMILIES: dict[str, Family] = {
    "policies": POLICIES,
    "models": LEARNERS,
    "measures": MEASURES,
    "classifiers": CLASSIFIERS,
    "attributes": ATTRIBUTES,
    "filters": FILTERS,
    "detectors": DETECTORS,
    "sources": SOURCES,
    "targets": TARGETS,
}


def parts(family: str = "", imports: Sequence[str] = ()) -> dict[str, list[dict[str, Any]]]:
    """The members of one family, or of all families: the built-in ones, those that installed packages offer, and those of files named in `imports`."""
    files = [own_source.located(name) for name in imports]
    listings = {"experiments": _experiments} | {
        name: partial(lambda family: [*_members(family), *_offered(family), *_of_files(family, files)], FAMILIES[name])
        for name in FAMILIES
    }
    listings |= {"definitions": _definitions, "laws": _laws, "growth": _growth}
    if family and family not in listings:
        raise BadInput(f"no family {family!r}{nearest(family, listings)}; known: {', '.join(listings)}")
    return {name: tell() for name, tell in listings.items() if family in ("", name)}


def _members(family: Family) -> list[dict[str, Any]]:
    members = []
    for name in family:
        cls = member(family, name, "part")
        pages = [cls.page] if hasattr(cls, "page") else getattr(cls, "pages", {}).values()
        papers = [
            paper for paper in dict.fromkeys([cls.paper] if hasattr(cls, "paper") else [page.paper for page in pages]) if paper
        ]
        readings = [
            f"{page.code} {reading}" if hasattr(page, "code") else reading for reading, page in getattr(cls, "pages", {}).items()
        ]
        takers = {"aspect": cls.aspect, "taken_by": askers(cls)} if family is MEASURES else {}
        exports = {"exports": [*cls.exports]} if getattr(cls, "exports", ()) else {}
        members.append(
            {"name": name, "what": first_line(cls), "papers": papers}
            | takers
            | exports
            | ({"readings": readings} if readings else {})
        )
    return members


def _offered(family: Family) -> Iterator[dict[str, Any]]:
    """The members that installed packages offer. Their source is read but not run."""
    for name, several in own_parts.offered(family.name).items() if family.is_open else ():
        for entry in several:
            file = own_source.file_of_entry(entry)
            said = (
                ()
                if file is None
                else (candidate for candidate in own_source.declared(entry.module, file) if candidate.name == entry.attr)
            )
            declared = next(iter(said), None)
            described = _declared(declared) if declared else {"what": "", "papers": []}
            state = (
                " Hidden by the built-in part of this name."
                if name in family
                else " Two packages offer this name."
                if len(several) > 1
                else ""
            )
            yield {
                "name": name,
                **described,
                "from": own_parts.distribution(entry),
                "what": f"{described['what']} From {own_parts.distribution(entry)}.{state}".strip(),
            }


def _of_files(family: Family, files: Sequence[tuple[str, Path]]) -> Iterator[dict[str, Any]]:
    """The members that files declare. The files are read but not run."""
    for module, file in files:
        for declared in own_source.declared(module, file):
            if family.protocol is not None and issubclass(declared.base, family.protocol):
                where = file.name if "." not in module and not own_source.is_installed(file) else module
                yield {"name": f"{where}:{declared.name}", **_declared(declared), "from": str(file)}


def _declared(declared: own_source.Declared) -> dict[str, Any]:
    paper = declared.values.get("paper")
    return {"what": declared.what, "papers": [paper] if isinstance(paper, str) and paper else []}


def _experiments() -> list[dict[str, Any]]:
    return [
        {"name": name, "what": path.read_text(encoding="utf-8").splitlines()[0].lstrip("# "), "papers": []}
        for name, path in builtin().items()
    ]


def _definitions() -> list[dict[str, Any]]:
    """The eight definitions of collapse."""
    return [{"name": name, "what": first_line(definition(name)), "papers": [SCHAEFFER]} for name in DEFINITIONS]


def _laws() -> list[dict[str, Any]]:
    """The closed forms, each with its id in science/collapse.md section 13."""
    return [{"name": name, "what": first_line(law(name)), "papers": [LAWS[name].citation], "id": LAWS[name].id} for name in LAWS]


def _growth() -> list[dict[str, Any]]:
    """The growth laws with which a forecast extrapolates."""
    laws = {name: growth_law(name) for name in GROWTH}
    return [{"name": name, "what": first_line(type(law)), "papers": [law.paper]} for name, law in laws.items()]


def checks_page() -> str:
    """docs/reference/checks.md: every check of an audit, with its definition, margin and paper."""
    lines = ["# The checks of an audit", "", CHECKS_INTRODUCTION, ""]
    for aspect, names in audit_aspects().items():
        measures = [measure(name) for name in names]
        lines += [
            f"## {aspect}",
            "",
            " ".join([ASPECTS[aspect], *map(first_line, measures)]),
            "",
            "| check | what it compares | healthy | margin | worse | records that see it |",
            "|---|---|---|---|---|---|",
        ]
        lines += [_check_row(name, page) for part in measures for name, page in part.pages.items()] + [""]
    return "\n".join([*lines, SEVERITY, *_severities(), ""])


def filters_page() -> str:
    """docs/reference/filters.md: every filter, with its settings, how it can harm, and its paper."""
    lines = ["# The filters", "", FILTERS_INTRODUCTION, ""]
    for name in FILTERS:
        cls = member(FILTERS, name, "filter")
        lines += [f"## {name}", "", f"{first_line(cls)}", "", cls.page.definition, ""]
        if settings := list(_settings(cls)):
            lines += ["| setting | if left out | |", "|---|---|---|", *settings, ""]
        lines += [f"*How it can harm*: {cls.page.misleads}", "", f"*Source*: {cls.page.paper}", ""]
    return "\n".join(lines)


FILTERS_INTRODUCTION = """A filter decides for each record how often it is kept, and gives a reason if it is not kept. Filters are listed under `filters` in a mix file ([how](../howto/filters.md)) and under `select` in an experiment.
A filter that compares records by a number takes an attribute (`outcross list attributes`), `{column: NAME}`, or in Python a function of texts. `outcross list filters` prints a short form of this page."""


def _settings(cls: type) -> Iterator[str]:
    """A table row for each setting of a recipe: its name, its default, and its docstring in the source."""
    import ast
    import textwrap

    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0].body  # type: ignore[attr-defined]
    said: dict[str, str] = {}
    for field, below in zip(body, [*body[1:], None], strict=True):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                said[name] = " ".join(words.split())
    for field in fields(cls):  # type: ignore[arg-type]
        default = "needed"
        if field.default is not MISSING:
            default = "" if field.default is None else f"`{plain(field.default)}`"
        elif field.default_factory is not MISSING:
            default = ""
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in (f"`{field.name}`", default, said.get(field.name, ""))) + " |"


CHECKS_INTRODUCTION = """Each check compares a number of the synthetic data with the same number of the human reference. It is one-sided, unless the column *worse* says "either".
A check finds what is lost, unless its entry says that it finds what is invented.

- *Healthy* is the value where nothing is lost. "real against real" means the value that human data of the same size have against other human data.
- *Margin* is the tolerance: a factor of the healthy value (ratio) or a distance from it (difference). `--margins aspect.check=value` changes it.
- *Records that see it* is a sample size. With so many records on each side, a two-sided test at 5 % detects a loss of exactly the margin in 90 % of samples. A loss that
  is twice as large needs about a quarter of them.

`outcross list measures` prints a short form of this page.

**Verdicts are equivalence tests.** A verdict compares the 95 % interval with the margin; a p-value never overrules it.

| verdict | rule |
|---|---|
| kept | The whole interval lies within the margin, whatever p says. If p is significant at the false-discovery rate, the check reads *differs detectably, by x*: the difference is real but too small to matter. |
| lost (or invented) | The whole interval lies beyond the margin, and p is significant at the false-discovery rate over all checks. A small p alone is no loss. |
| cannot tell | The interval contains the margin, or there is no interval. A large p alone does not mean *kept*. The check says about how many records on each side would give a verdict. A fresh sample of that size gives one with a probability of 85 %, averaged over the true effects that the interval allows. If the value is within one standard error of the margin, no number can be given. |
| not applicable | The number cannot be computed here, or its margin lies outside its possible values, so that no loss could ever be found; the check says why. |"""


SEVERITY = """## How severe a loss is

Losses are ordered by one unit, the severity: the share of records that would have to change to bring the check inside its margin. It is computed from the end of the
interval that is nearest to the margin, so that chance alone does not make a loss severe. r is the value at that end, ρ the margin, and p the share of human records that the check concerns.

- For a share, the severity is p (ρ − r), or p (r − 1 / ρ) if the share has grown. If a group, a column or a tail is gone completely, it is p (1 − r).
- For any other ratio that should not grow, such as the loss of a model, it is p (ρ − 1 / r).
- For a spread, it is the total variation distance of two normal distributions with these variances.
- For an association, it is half of the difference: in an even 2 × 2 table, moving a share w of the records raises φ by 2 w.
- For a fraction, it is the distance from the margin.
- For effective numbers, equal pairs and distinct things, it is the exact minimum share over all possible changes: records move from the commonest kinds to the rarest, the
  largest groups of equal records shrink, or each record adds one new thing.

| check | observed | calculation | severity |
|---|---|---|---|"""


def _severities() -> list[str]:
    """The worked examples of severity."""
    return [f"| `{name}` | {seen} | {sum_} | {severe:g} |" for name, seen, *_, sum_, severe in (*WORKED, *WORKED_VARIETY)]


def _check_row(name: str, page: Any) -> str:
    healthy = "real against real" if isinstance(page.healthy, str) else f"{page.healthy:g}"
    invented = " Finds what is invented." if page.is_invention else ""
    cells = (
        f"{page.code} `{name}`",
        f"**{page.title}**. {page.definition} Values: {page.values_in_words}.{invented} *Source*: {page.paper}",
        healthy,
        f"{page.margin:g} ({page.margin_kind})",
        page.worse,
        f"{page.records[0]:,} ({page.records[1]})" if page.records else "",
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
