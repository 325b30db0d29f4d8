"""Keep the records that pass a verifier."""

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
"""The maximum share of records on which a function may fail, in [0, 1]. Beyond it the function itself is taken to be wrong."""


def _function(value: object) -> object:
    """Return the name of a function as `module:function`. A function object is registered as allowed; for a name, the user must import the module."""
    if callable(value):
        name = getattr(value, "__qualname__", "<lambda>")
        if "<" in name or "." in name:
            raise ValueError(
                f"must be a function at the top level of a module, so that it can be imported again, got {name}; define it in a file"
            )
        own_parts.allow(f"{value.__module__}:{name}")  # type: ignore[attr-defined]
        return f"{value.__module__}:{name}"  # type: ignore[attr-defined]
    return value


@dataclass(frozen=True)
class VerifierCheck:
    """The result of one check of a verifier for every record."""

    name: str
    passed: np.ndarray  # (n,) of truth values
    value: np.ndarray | None = None
    """The number by which each record was judged, (n,)."""


@recipe
class VerifyFilter(Filter):
    """Keep the records that pass every check: rules on columns, regular expressions, a JSON schema, a function, the bounds of a score.

    If a column says for some records whether they are correct, the verifier itself is judged on these records. It reports φ and ψ, the
    probabilities that it keeps a correct and a wrong record, and the share of wrong records among those that it keeps.
    """

    libraries = ("polars", "jsonschema", "scipy")
    page = FilterPage(
        "a verifier",
        "A record is kept if it passes every check. The first check that it fails is the reason for its rejection.",
        "The errors of a verifier shape the data: repeated selection converges to what the verifier accepts. Only the ratio ψ/φ matters, not how strict the verifier is.",
        "Feng, Dohmatob et al., Beyond Model Collapse: Scaling Up with Synthesized Data Requires Verification, ICLR 2025, arXiv 2406.07515",
    )

    rules: Annotated[tuple[str, ...], FROM_LIST] = ()
    """Conditions on columns, in SQL: `x0 > 0 and x1 between -1 and 1`. A missing value does not pass."""
    patterns: dict[str, str] = field(default_factory=dict)
    """{column: regular expression}. The expression must match somewhere in the text (write ^ and $ to match the whole). Matching takes time linear in the text."""
    schema: dict[str, Any] | None = None
    """A JSON schema that the text of `document` must be valid under."""
    document: str = "text"
    """The column that contains JSON."""
    function: Annotated[str | None, BeforeValidator(_function)] = None
    """Your own `module:function`, called with each record as a mapping of its columns. Its result is read as true or false. Name its module with
    `--import module`."""
    score: str | None = None
    """The column of a score, such as that of a model as a judge."""
    attribute: Annotated[Attribute | None, one_of(ATTRIBUTES, "attribute", or_none=True)] = None
    """An attribute of the text, used as the score."""
    at_least: float | None = None
    at_most: float | None = None
    """The bounds of the score, both inclusive."""
    truth: str | None = None
    """The column that says whether a labelled record is correct (true or false), missing for other records; or a condition on columns, written as in `rules`."""
    answers: Annotated[int, Field(ge=2)] | None = None
    """The number of possible answers. With it the filter also reports the share of wrong labels above which verification no longer helps. None if labels are not answers."""

    @model_validator(mode="after")
    def _asks_something(self):
        has_score = self.score is not None or self.attribute is not None
        if not (self.rules or self.patterns or self.schema or self.function or has_score):
            raise ValueError(
                "rules, patterns, schema, function, score or attribute is needed: a verifier without a check keeps all records"
            )
        if self.score is not None and self.attribute is not None:
            raise ValueError(f"score {self.score!r} and attribute are two scores; write only one of them")
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
        first = np.asarray(np.argmin(passed, axis=0))  # the first check that the record failed
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
        """Return the notes and facts about the verifier's errors on the labelled candidates."""
        if self.truth is None:
            return (), {}
        truth = candidates.column(self.truth) if self.truth in candidates.columns else _answered(candidates, self.truth)
        if str(truth.dtype) != "Boolean":
            raise BadInput(f"truth: {self.truth!r:.80} must be true, false or missing, it is {truth.dtype}; write truth values")
        labelled = truth.is_not_null().to_numpy()
        try:
            verifier = verified(truth.fill_null(False).to_numpy()[labelled], kept[labelled])
        except NotApplicable as why:
            return (f"The verifier is not judged: {why}.",), {}
        return verifier_facts(verifier, self.answers)


def verifier_facts(verifier: Verified, answers: int | None) -> tuple[tuple[str, ...], dict[str, Any]]:
    named = {
        "wrong": (verifier.wrong, "of the labelled records are wrong (p)"),
        "keeps_correct": (verifier.keeps_correct, "of the correct records are kept (φ)"),
        "keeps_wrong": (verifier.keeps_wrong, "of the wrong records are kept (ψ)"),
        "kept_wrong": (verifier.kept_wrong, "of the kept records are wrong, pψ/(pψ + (1 − p)φ)"),
    }
    notes = [f"{_interval(estimate)} {what}." for estimate, what in named.values() if estimate is not None]
    facts = {name: estimate and estimate.plain() for name, (estimate, _) in named.items()}
    if answers is not None:
        try:
            breakdown = verifier.breakdown(answers)
        except NotApplicable as why:
            notes.append(f"The share of wrong labels at which verification breaks down is not known: it {why}.")
        else:
            law = "1/(1 + ψ/φ)" if answers == 2 else f"(K − 1)φ/((K − 1)φ + ψ), K = {answers}, all wrong answers equally likely"
            notes.append(f"Selection no longer helps if more than {_interval(breakdown)} of the labels are wrong ({law}).")
            facts["breakdown"] = breakdown.plain()
    return tuple(notes), facts


def _interval(estimate: Estimate) -> str:
    low, high = estimate.interval
    return f"{estimate.value:.4f} [{low:.4f}, {high:.4f}]"


def _parsed(rule: str) -> polars.Expr:
    import polars

    try:
        parsed = polars.sql_expr(rule)
        parsed.meta.root_names()
    except Exception as error:
        raise BadInput(
            f"rules: {rule!r:.80} is not a condition ({first_words(error, 120)}); write it in SQL, as in x0 > 0"
        ) from None
    return parsed


def _by_rule(candidates: Candidates, rule: str) -> np.ndarray:
    passed = _answered(candidates, rule)
    if str(passed.dtype) != "Boolean":
        raise BadInput(
            f"rules: {rule!r:.80} must be true or false for each record, it gives {passed.dtype}; write a comparison, as in x0 > 0"
        )
    return passed.fill_null(False).to_numpy()


def _answered(candidates: Candidates, rule: str) -> polars.Series:
    """Return the value of a rule for each record. Raises BadInput if it cannot be computed from their columns."""
    import polars

    parsed = _parsed(rule)
    frame = polars.DataFrame([_column(candidates, name).alias(name) for name in parsed.meta.root_names()])
    try:
        answered = frame.select(parsed.alias("answered"))["answered"]
    except Exception as error:
        raise BadInput(f"rules: {rule!r:.80} cannot be computed from these columns ({first_words(error, 120)})") from None
    if len(answered) != len(candidates):
        raise BadInput(
            f"rules: {rule!r:.80} must give one value per record, it gives {len(answered)} for {len(candidates)}; name a column"
        )
    return answered


def _column(candidates: Candidates, name: str) -> polars.Series:
    """Return a column. The name `text` gives the texts if there is no such column."""
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
            f"patterns.{column}: {pattern!r:.80} is not a regular expression ({first_words(error, 120)}); look-around and back-references are not supported"
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
        raise BadInput(f"schema is not a JSON schema: {first_words(error, 160)}") from None
    if (elsewhere := next((reference for reference in _references(schema) if not reference.startswith("#")), None)) is not None:
        raise BadInput(
            f"schema refers to {elsewhere[:80]!r}, and other documents are not fetched; write its definitions under $defs and refer to #/$defs/name"
        )
    return kind(schema)


def _references(schema: Any) -> Iterator[str]:
    """Yield all references of a schema."""
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
    """Import and return the function `module:function`. Raises BadInput if it cannot be imported or called."""
    module, colon, attribute = name.partition(":")
    if not colon or not module or not attribute:
        raise BadInput(f"function must be module:function, got {name!r:.80}")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except Exception as error:
        raise BadInput(f"function {name!r:.80} cannot be imported: {first_words(error, 120)}") from None
    if not callable(function):
        raise BadInput(f"function {name!r:.80} is a {type(function).__name__}, which cannot be called")
    return function


def _by_function(candidates: Candidates, name: str) -> np.ndarray:
    """Return whether each record passes a function. A record on which the function fails does not pass. Raises BadInput if it fails on more than half."""
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
        raise BadInput(f"function {name} failed on {failures:,} of {len(candidates):,} records, first with: {first}; correct it")
    return passed


def _truth(answer: object) -> bool:
    answer = of_python(answer)
    if isinstance(answer, float) and answer != answer:
        raise ValueError("it gave NaN")
    return bool(answer)
