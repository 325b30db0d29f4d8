"""Keep what a verifier lets pass."""

from __future__ import annotations

import contextlib
import importlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from outcross import own_parts
from outcross.attributes import ATTRIBUTES, Attribute
from outcross.errors import BadInput, first_words, missing_extra
from outcross.estimate import Estimate, NotApplicable
from outcross.filters import Candidates, Filter, FilterPage, Selection
from outcross.filters.judging import attribute_of, numeric
from outcross.recipe import FROM_LIST, of_python, one_of, recipe
from outcross.statistics.verification import Verified, verified

if TYPE_CHECKING:
    import polars

MOST_FAILURES = 0.5
"""Share of records on which a function may fail; beyond it the function is what is wrong."""


def _function(value: object) -> object:
    """A function of a module by its name, `module:function`. One that is handed over may be called; of a name the module must be imported on request."""
    if callable(value):
        name = getattr(value, "__qualname__", "<lambda>")
        if "<" in name or "." in name:
            raise ValueError(
                f"must be a function that a module defines, so that it can be found again, got {name}; give it a name in a file"
            )
        own_parts.allow(f"{value.__module__}:{name}")  # type: ignore[attr-defined]
        return f"{value.__module__}:{name}"  # type: ignore[attr-defined]
    return value


@dataclass(frozen=True)
class VerifierCheck:
    """One thing that a verifier asks of every record."""

    name: str
    passed: np.ndarray  # (n,) of truth values
    value: np.ndarray | None = None
    """The number by which it was judged, (n,)."""


@recipe
class VerifyFilter(Filter):
    """Keep the records that pass every check: rules on columns, regular expressions, a JSON schema, a function, the bounds of a score.

    Where a column tells of some records whether they are right, the verifier itself is judged on these: φ and ψ, the chances that
    it keeps a correct and a wrong one, and the share of wrong ones among what it keeps.
    """

    libraries = ("polars", "jsonschema", "scipy")
    page = FilterPage(
        "a verifier",
        "Every check must pass; the first that does not is the reason.",
        "A verifier with errors of its own shapes the data: repeated selection converges to what it believes. Only the ratio ψ/φ counts, not how strict it is.",
        "Feng, Dohmatob et al., Beyond Model Collapse: Scaling Up with Synthesized Data Requires Verification, ICLR 2025, arXiv 2406.07515",
    )

    rules: Annotated[tuple[str, ...], FROM_LIST] = ()
    """Conditions on columns as SQL writes them: `x0 > 0 and x1 between -1 and 1`. A missing value does not pass."""
    patterns: dict[str, str] = field(default_factory=dict)
    """Column → a regular expression that must occur in its text (write ^ and $ for the whole). They take time linear in the text."""
    schema: dict[str, Any] | None = None
    """A JSON schema that the text of `document` must be valid under."""
    document: str = "text"
    """The column that holds JSON."""
    function: Annotated[str | None, BeforeValidator(_function)] = None
    """`module:function` of your own, called with each record as a mapping of its columns; what it returns is read as true or false. Its module must be
    named by `--import module`."""
    score: str | None = None
    """The column of a score, as of a model that judges."""
    attribute: Annotated[Attribute | None, one_of(ATTRIBUTES, "attribute", or_none=True)] = None
    """An attribute of the text as the score."""
    at_least: float | None = None
    at_most: float | None = None
    """The bounds of the score; they pass themselves."""
    truth: str | None = None
    """The column that says of labelled records whether they are right (true, false), missing for the others; or a condition on columns as rules have it."""
    answers: Annotated[int, Field(ge=2)] | None = None
    """Possible answers of a label, for the share of errors from which verification no longer helps; None where labels are no answers."""

    @model_validator(mode="after")
    def _asks_something(self):
        has_score = self.score is not None or self.attribute is not None
        if not (self.rules or self.patterns or self.schema or self.function or has_score):
            raise ValueError(
                "rules, patterns, schema, function, score or attribute is needed: a verifier that asks nothing keeps all"
            )
        if self.score is not None and self.attribute is not None:
            raise ValueError(f"score {self.score!r} and attribute are two scores; write one of them")
        if has_score == (self.at_least is None and self.at_most is None):
            raise ValueError("a score needs at_least or at_most, and these need a score (or an attribute)")
        if self.answers is not None and self.truth is None:
            raise ValueError("answers needs truth, the column that says which labels are right")
        for rule in self.rules:
            _parsed(rule)
        for column, pattern in self.patterns.items():
            _check_pattern(column, pattern)
        if self.schema is not None:
            _validator(self.schema)
        return self

    @property
    def samples(self):
        return "rows"

    @property
    def needs(self):
        return ("texts",) if self.attribute is not None else ()

    @property
    def functions(self):
        return () if self.function is None else (self.function,)

    @property
    def prefers(self):
        has_score = self.score is not None or self.attribute is not None
        return f"records with {self._bounds}" if has_score else ""

    def reads(self, columns):
        if self.function is not None:
            return tuple(columns)
        named = [name for rule in self.rules for name in _parsed(rule).meta.root_names()]
        named += [*self.patterns, *([self.document] if self.schema else [])]
        named += [self.score] if self.score is not None else []
        if self.truth is not None:
            named += [self.truth] if self.truth in columns else _parsed(self.truth).meta.root_names()
        return tuple(dict.fromkeys(named))

    def select(self, candidates, rng):
        checks = list(self._checks(candidates))
        passed = np.stack([check.passed for check in checks])
        kept = np.asarray(passed.all(axis=0))
        first = np.asarray(np.argmin(passed, axis=0))  # the first that did not pass
        value = next((check.value for check in checks if check.value is not None), None)
        notes, facts = self._judged(candidates, kept)
        return Selection(
            kept.astype(np.int64),
            value,
            np.where(kept, -1, first),
            tuple(f"does not pass {check.name}" for check in checks),
            notes=notes,
            facts=facts,
        )

    def _checks(self, candidates: Candidates):
        for rule in self.rules:
            yield VerifierCheck(f"the rule {rule}", _by_rule(candidates, rule))
        for column, pattern in self.patterns.items():
            yield VerifierCheck(
                f"the pattern {pattern!r} of {column}", _texts(candidates, column).str.contains(pattern).fill_null(False).to_numpy()
            )
        if self.schema is not None:
            yield VerifierCheck(f"the schema of {self.document}", _by_schema(_texts(candidates, self.document), self.schema))
        if self.function is not None:
            yield VerifierCheck(f"the function {self.function}", _by_function(candidates, self.function))
        if self.score is not None or self.attribute is not None:
            score = numeric(candidates, self.score) if self.score is not None else attribute_of(candidates, self.attribute)  # type: ignore[arg-type]
            yield VerifierCheck(self._bounds, self._within(score), score)

    def _within(self, score: np.ndarray) -> np.ndarray:
        low = -np.inf if self.at_least is None else self.at_least
        high = np.inf if self.at_most is None else self.at_most
        return (score >= low) & (score <= high)

    @property
    def _bounds(self) -> str:
        name = self.score if self.score is not None else type(self.attribute).__name__.lower()
        ends = [f"at least {self.at_least:g}"] if self.at_least is not None else []
        ends += [f"at most {self.at_most:g}"] if self.at_most is not None else []
        return f"{name} {' and '.join(ends)}"

    def _judged(self, candidates: Candidates, kept: np.ndarray) -> tuple[tuple[str, ...], dict[str, Any]]:
        """What the labelled candidates say of the verifier."""
        if self.truth is None:
            return (), {}
        truth = candidates.column(self.truth) if self.truth in candidates.columns else _answered(candidates, self.truth)
        if str(truth.dtype) != "Boolean":
            raise BadInput(f"truth: {self.truth!r:.80} must be true, false or nothing, it is {truth.dtype}; write truth values")
        labelled = truth.is_not_null().to_numpy()
        try:
            verifier = verified(truth.fill_null(False).to_numpy()[labelled], kept[labelled])
        except NotApplicable as why:
            return (f"The verifier is not judged: {why}.",), {}
        return verifier_facts(verifier, self.answers)


def verifier_facts(verifier: Verified, answers: int | None) -> tuple[tuple[str, ...], dict[str, Any]]:
    named = {
        "wrong": (verifier.wrong, "of the labelled records are wrong (p)"),
        "keeps_correct": (verifier.keeps_correct, "of the correct ones are kept (φ)"),
        "keeps_wrong": (verifier.keeps_wrong, "of the wrong ones are kept (ψ)"),
        "kept_wrong": (verifier.kept_wrong, "of the kept ones are wrong, pψ/(pψ + (1 − p)φ)"),
    }
    notes = [f"{_interval(estimate)} {what}." for estimate, what in named.values() if estimate is not None]
    facts = {name: _plain(estimate) for name, (estimate, _) in named.items()}
    if answers is not None:
        try:
            breakdown = verifier.breakdown(answers)
        except NotApplicable as why:
            notes.append(f"The share of wrong labels at which verification breaks down is not known: it {why}.")
        else:
            law = "1/(1 + ψ/φ)" if answers == 2 else f"(K − 1)φ/((K − 1)φ + ψ), K = {answers}, wrong answers alike"
            notes.append(f"Selection no longer helps where more than {_interval(breakdown)} of the labels are wrong ({law}).")
            facts["breakdown"] = _plain(breakdown)
    return tuple(notes), facts


def _interval(estimate: Estimate) -> str:
    low, high = estimate.interval
    return f"{estimate.value:.4f} [{low:.4f}, {high:.4f}]"


def _plain(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, "method": estimate.method, "n": estimate.n}


def _parsed(rule: str) -> polars.Expr:
    import polars

    try:
        parsed = polars.sql_expr(rule)
        parsed.meta.root_names()
    except Exception as error:
        raise BadInput(
            f"rules: {rule!r:.80} is no condition ({first_words(error, 120)}); write one as SQL has it, x0 > 0"
        ) from None
    return parsed


def _by_rule(candidates: Candidates, rule: str) -> np.ndarray:
    passed = _answered(candidates, rule)
    if str(passed.dtype) != "Boolean":
        raise BadInput(
            f"rules: {rule!r:.80} must be true or false of each record, it gives {passed.dtype}; compare it with something"
        )
    return passed.fill_null(False).to_numpy()


def _answered(candidates: Candidates, rule: str) -> polars.Series:
    """What a rule gives of each record. BadInput where it cannot be asked of their columns."""
    import polars

    parsed = _parsed(rule)
    frame = polars.DataFrame([_column(candidates, name).alias(name) for name in parsed.meta.root_names()])
    try:
        answered = frame.select(parsed.alias("answered"))["answered"]
    except Exception as error:
        raise BadInput(f"rules: {rule!r:.80} cannot be asked of these columns ({first_words(error, 120)})") from None
    if len(answered) != len(candidates):
        raise BadInput(
            f"rules: {rule!r:.80} must answer for each record, it gives {len(answered)} for {len(candidates)}; name a column"
        )
    return answered


def _column(candidates: Candidates, name: str) -> polars.Series:
    """A column, or the texts under the name `text`."""
    import polars

    if name == "text" and name not in candidates.columns:
        return polars.Series("text", list(candidates.texts), dtype=polars.String)
    return candidates.column(name)


def _texts(candidates: Candidates, name: str) -> polars.Series:
    import polars

    return _column(candidates, name).cast(polars.String)


def _check_pattern(column: str, pattern: str) -> None:
    import polars

    try:
        polars.Series([""]).str.contains(pattern)
    except Exception as error:
        raise BadInput(
            f"patterns.{column}: {pattern!r:.80} is no regular expression ({first_words(error, 120)}); look-around and back-references are not known"
        ) from None


def _validator(schema: dict[str, Any]) -> Any:
    try:
        from jsonschema import SchemaError
        from jsonschema.validators import validator_for
    except ImportError:
        raise missing_extra("jsonschema", "schema") from None
    kind = validator_for(schema)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        raise BadInput(f"schema is no JSON schema: {first_words(error, 160)}") from None
    if (elsewhere := next((reference for reference in _references(schema) if not reference.startswith("#")), None)) is not None:
        raise BadInput(
            f"schema refers to {elsewhere[:80]!r}, which is not fetched; write its definitions under $defs and refer to #/$defs/name"
        )
    return kind(schema)


def _references(schema: Any) -> Iterator[str]:
    """What a schema refers to."""
    if isinstance(schema, dict):
        yield from (
            str(value)
            for key, value in schema.items()
            if key in ("$ref", "$dynamicRef", "$recursiveRef") and isinstance(value, str)
        )
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _references(inner)


def _by_schema(texts: polars.Series, schema: dict[str, Any]) -> np.ndarray:
    validator = _validator(schema)
    return np.array([_is_valid(text, validator) for text in texts], dtype=bool)


def _is_valid(text: str | None, validator: Any) -> bool:
    try:
        return text is not None and validator.is_valid(json.loads(text))
    except (ValueError, RecursionError):
        return False


def resolved(name: str) -> Callable[[dict[str, Any]], object]:
    """The function called `module:function`. BadInput where there is none."""
    module, colon, attribute = name.partition(":")
    if not colon or not module or not attribute:
        raise BadInput(f"function must be module:function, got {name!r:.80}")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except Exception as error:
        raise BadInput(f"function {name!r:.80} cannot be had: {first_words(error, 120)}") from None
    if not callable(function):
        raise BadInput(f"function {name!r:.80} is a {type(function).__name__}, which cannot be called")
    return function


def _by_function(candidates: Candidates, name: str) -> np.ndarray:
    """What a function says of every record; one on which it fails does not pass. BadInput where it fails on more than half."""
    function, failures, first = resolved(name), 0, ""
    columns: Sequence[str] = candidates.columns
    series = {column: candidates.column(column) for column in columns}
    if "text" not in series:
        with contextlib.suppress(NotApplicable):
            series["text"] = _column(candidates, "text")
    passed = np.zeros(len(candidates), dtype=bool)
    for row, values in enumerate(zip(*(column.to_list() for column in series.values()), strict=True)):
        try:
            passed[row] = _truth(function(dict(zip(series, values, strict=True))))
        except Exception as error:
            failures, first = failures + 1, first or first_words(error, 120)
    if failures > MOST_FAILURES * len(candidates):
        raise BadInput(f"function {name} failed on {failures:,} of {len(candidates):,} records, first with: {first}; mend it")
    return passed


def _truth(answer: object) -> bool:
    answer = of_python(answer)
    if isinstance(answer, float) and answer != answer:
        raise ValueError("it gave NaN")
    return bool(answer)
