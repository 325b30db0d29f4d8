"""Experiment: what to run, as a value and as a YAML file."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import field, fields
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from outcross.errors import BadInput
from outcross.files import plain_yaml
from outcross.files.whole import read_text
from outcross.measures import MEASURES, Measure, measure
from outcross.models import LEARNERS, Learner
from outcross.models.draw import Draw
from outcross.models.schedule import Schedule
from outcross.policies import POLICIES, Policy
from outcross.policies.replace import Replace
from outcross.recipe import exactly, kind, many_of, nearest, one_of, plain, recipe
from outcross.sources import SOURCES, Source


def _source(value: object) -> object:
    """`{text: stdlib}`, `{distribution: normal}`, `{path: …}`, `{hub: …}` and `{array: …}` as members of the family of sources."""
    if not isinstance(value, Mapping) or "kind" in value:
        return value
    told = dict(value)
    for word in ("text", "distribution"):
        if word in told:
            return {"kind": str(told.pop(word))} | told
    for word in ("path", "hub", "array"):
        if word in told:
            return {"kind": word} | told
    raise BadInput(
        "human must say where the data come from; add human.path=FILE (or human.hub=ID) to the command, or write text: stdlib or distribution: normal"
    )


@recipe
class Growth:
    """Every generation draws so many times as many records as the one before; the first the original human rows times it."""

    grow: Annotated[float, Field(gt=0, le=100)]


def _rows(value: object) -> object:
    if value in ("constant", "online") or isinstance(value, Growth):
        return value
    if isinstance(value, Mapping) and set(value) == {"grow"}:
        try:
            return Growth(**value)
        except BadInput as error:
            raise BadInput(f"rows.{error}") from None
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise BadInput(f"rows must be constant, online, a whole number from 1 or {{grow: 1.5}}, got {value!r:.80}")


@recipe
class Experiment:
    """One chain of generations, or many side by side; every field is identity, none says where it runs."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    human: Annotated[Source, one_of(SOURCES, "human"), BeforeValidator(_source)]
    learner: Annotated[Learner, one_of(LEARNERS, "learner")]
    policy: Annotated[Policy, one_of(POLICIES, "policy")] = field(default_factory=Replace)
    block: Annotated[int, Field(ge=2, le=4096)] = 64
    """Tokens of a text record."""
    training: Annotated[Schedule | None, exactly(Schedule, "training", or_none=True)] = None
    rows: Annotated[int | Growth | Literal["constant", "online"], PlainValidator(_rows)] = "constant"
    """Records drawn in a generation: `constant` (as many as the original human records), a number, `{grow: 1.5}` times the last, or `online`: as
    many as the next fit reads, each of them once under `replace`, which is to draw anew for every batch."""
    draw: Annotated[Draw, exactly(Draw, "draw")] = field(default_factory=Draw)
    generations: Annotated[int, Field(ge=1, le=100_000)] = 6
    """6 means g0 … g5; g0 is the model fitted on human data."""
    metrics: Annotated[tuple[Measure, ...], many_of(MEASURES, "metrics")] = ()
    """Left out: all that apply and cost little."""
    chains: Annotated[int, Field(ge=1, le=10_000_000)] = 1
    """Independent repeats of a statistical experiment, side by side in one array."""
    store: Literal["all", "readings"] = "all"
    seed: Annotated[int, Field(ge=0, le=2**63)] = 0

    @model_validator(mode="after")
    def _parts_fit(self):
        if self.learner.trains != (self.training is not None):
            if self.training is not None:
                raise ValueError(f"training has no meaning for {kind(self.learner)}, which is fitted in closed form; leave it out")
            object.__setattr__(self, "training", Schedule())
        for one in self.metrics:
            if not set(one.needs) & {*self.learner.learns, "groups", "blobs", "pairs"}:
                raise ValueError(
                    f"the metric {kind(one)} reads {' or '.join(one.needs)}, {kind(self.learner)} learns {self.learner.learns[0]}; "
                    f"leave it out{self._instead(one.aspect)}"
                )
        if len({kind(one) for one in self.metrics}) < len(self.metrics):
            raise ValueError("metrics names one metric twice; leave one out")
        self._prefix_fits()
        if self.draw.temperature == 0 and self.draw.prompts == "none" and "text" in self.learner.learns:
            raise ValueError(
                "draw.temperature 0 writes one text again and again where there are no prompts; write draw.prompts: human"
            )
        if self.draw.looks_back and not self.learner.searches:
            raise ValueError(
                f"draw.beams and draw.repetition_penalty are ways to write of language models that are trained, {kind(self.learner)} has none; leave them out"
            )
        if self.rows == "online" and (self.training is None or self.training.epochs is not None):
            raise ValueError(
                "rows: online draws what the steps of training read, and there are none; write training.steps, or a number of rows"
            )
        if self.draw.records:
            raise ValueError("draw.records is set by rows; leave it out")
        if self.human.records == "moments" and not self.policy.takes_whole:
            raise ValueError(
                f"policy {kind(self.policy)} takes or weighs records one by one, and human.records is moments; write human.records: points"
            )
        self._fits_a_machine()
        self._human_rows_suffice()
        return self

    def _prefix_fits(self) -> None:
        """Refuse a prefix that nothing can be prompted with, or that leaves nothing to write."""
        prefix = self.draw.prefix
        if prefix and (self.draw.prompts == "none" or "text" not in self.learner.learns):
            raise ValueError(f"draw.prefix is a part of a text prompt, there is none here; leave it out, got {prefix}")
        if prefix >= self.block:
            raise ValueError(f"draw.prefix must be shorter than a block of {self.block} tokens, got {prefix}")
        if prefix and getattr(self.policy, "align", False):
            raise ValueError(
                "policy.align puts what people wrote after a prompt in its record's place, draw.prefix keeps the prompt; choose one"
            )

    def _human_rows_suffice(self) -> None:
        """Refuse a policy that needs more original human records than there are, before the work begins."""
        drawn = max(self.records(0), self.records(self.generations - 2)) if self.generations > 1 else 0
        if (needed := self.policy.human_rows(drawn)) > self.human.rows:
            raise ValueError(
                f"policy {kind(self.policy)} needs {needed:,} original human records for {drawn:,} that are drawn, human.rows is {self.human.rows:,}; "
                "lower the share or rows, or raise human.rows"
            )

    def _fits_a_machine(self) -> None:
        """Refuse numbers that no machine can hold, before the work begins."""
        for key, value in _numbers(plain(self)):
            if isinstance(value, int) and value > MOST_RECORDS and key != "seed":
                raise ValueError(f"{key} must be at most {MOST_RECORDS:,}, got {value}")
            if isinstance(value, float) and value and not 1e-50 <= abs(value) <= 1e50:
                raise ValueError(f"{key} must be 0 or between 1e-50 and 1e50 in size, got {value}; change the unit")
        growth = self.rows.grow if isinstance(self.rows, Growth) else 1.0
        largest = (
            math.log10(max(self.human.rows, 1 if isinstance(self.rows, Growth) else self.records(0)))
            + max(0.0, self.generations * math.log10(growth))
            + math.log10(self.chains)
        )
        if largest > math.log10(MOST_RECORDS):
            raise ValueError(
                f"rows, grown over {self.generations} generations in {self.chains} chains, come to 10^{largest:.0f} records, "
                f"at most {MOST_RECORDS:,} can be; lower rows, generations or chains"
            )

    @property
    def form(self) -> Any:
        """How text is cut for the learner; None for numbers."""
        return self.learner.form(self.block)

    @property
    def measured(self) -> tuple[Measure, ...]:
        """The metrics, by default all that read this kind of records (and groups, where the human data have them)."""
        if self.metrics:
            return self.metrics
        there = {*self.learner.learns, *(["groups"] if getattr(self.human, "group_column", None) else [])}
        known = [measure(name) for name in MEASURES]
        return tuple(one() for one in known if one.by_default and there & set(one.needs))

    def _instead(self, aspect: str) -> str:
        """The measures of an aspect that read what the learner learns, as the way out of an error."""
        known = {name: measure(name) for name in MEASURES}
        instead = [name for name, one in known.items() if one.aspect == aspect and set(self.learner.learns) & set(one.needs)]
        return f", or write {', '.join(instead)}" if instead else ""

    def records(self, g: int) -> int:
        """Records drawn at generation g, the size of what generation g + 1 learns from."""
        if isinstance(self.rows, int):
            return self.rows
        if self.rows == "online":
            assert self.training is not None
            return self.training.steps_for(0) * self.training.batch
        growth = self.rows.grow if isinstance(self.rows, Growth) else 1.0
        return max(1, round(self.human.rows * growth ** (g + 1)))


MOST_RECORDS = 10**10
"""Records of one generation, all chains together: 80 GB of single numbers."""


def _numbers(told: Any, key: str = "") -> Iterator[tuple[str, int | float]]:
    """Every number of plain data with its dotted key."""
    if isinstance(told, dict | list):
        for name, value in told.items() if isinstance(told, dict) else enumerate(told):
            yield from _numbers(value, f"{key}.{name}" if key else str(name))
    elif isinstance(told, int | float):
        yield key, told


def experiment(told: Mapping[str, Any]) -> Experiment:
    """An experiment from plain data; BadInput names the key, the rule and the way out."""
    told = {key: value for key, value in told.items() if key not in ("arms", "sweep") or value is not None}
    if many := [key for key in ("arms", "sweep") if key in told]:
        raise BadInput(f"{many[0]} makes several experiments of one file; use outcross.arms")
    known = [one.name for one in fields(Experiment)]
    for key in told:
        if key not in known:
            raise BadInput(
                f"{key} is not known{nearest(str(key), [*known, 'sweep', 'arms'])}; known: {', '.join(known)}, sweep, arms"
            )
    return Experiment(**told)


def override(told: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Plain data with dotted keys replaced: `{"policy.share": 0.2}`. A plain word on the way becomes a kind."""
    changed = dict(told)
    for key, value in settings.items():
        _check_key(str(key))
        head, _, rest = str(key).partition(".")
        if rest:
            inner = changed.get(head)
            inner = {"kind": inner} if isinstance(inner, str) else {} if inner is None else inner
            if not isinstance(inner, Mapping):
                raise BadInput(f"{key}: {head} is {inner!r}, which has no {rest}")
            changed[head] = override(inner, {rest: value})
        else:
            changed[head] = value
    return changed


def _check_key(key: str) -> None:
    """Refuse a key of which a part is empty, as in `generations.` or `a..b`."""
    if not all(part.strip() for part in key.split(".")):
        raise BadInput(
            f"{key!r:.80} is no key of a setting, one of its parts is empty; write key=value or key.subkey=value, as in generations=10"
        )


def load(spec: str, overrides: tuple[str, ...] = ()) -> dict[str, Any]:
    """The plain data of an experiment file (a path, or the name of a built-in one) with `key.subkey=value` put in."""
    told = {"name": re.sub(r"[^A-Za-z0-9._-]+", "-", Path(spec).stem).strip("-._")[:64] or "run"} | parse(_text(spec), spec)
    for one in overrides:
        key, equals, value = one.partition("=")
        if not equals or not key.strip():
            raise BadInput(f"{one!r:.80} is no setting; write key=value, as in generations=10")
        told = override(told, {key.strip(): _scalar(value, one)})
    for one in overrides:
        _check_not_overruled(told, one.partition("=")[0].strip(), spec)
    return told


def _check_not_overruled(told: Mapping[str, Any], key: str, spec: str) -> None:
    arms, sweep = told.get("arms"), told.get("sweep")
    overruling = [str(own) for arm in arms if isinstance(arm, Mapping) for own in arm] if isinstance(arms, list) else []
    overruling += [str(own) for own in sweep] if isinstance(sweep, Mapping) else []
    if any(own == key or own.startswith(f"{key}.") or key.startswith(f"{own}.") for own in overruling):
        raise BadInput(f"{key} is set by the arms of {spec}; add arms=null (or sweep=null) to run one arm, or give your own arms")


def builtin() -> dict[str, Path]:
    """The built-in experiments by name."""
    return {
        Path(str(one)).stem: Path(str(one))
        for one in sorted(files("outcross.experiments").iterdir(), key=str)
        if str(one).endswith(".yaml")
    }


def parse(text: str, where: str) -> dict[str, Any]:
    """YAML, read safely, of plain values only; duplicate keys are refused."""
    told = plain_yaml.read(text, where)
    if not isinstance(told, dict):
        raise BadInput(f"{where} holds no experiment; it must be a YAML mapping with name, human, learner, …")
    return told


def _text(spec: str) -> str:
    path = builtin().get(spec) or Path(spec)
    if "\0" not in spec and not os.path.lexists(path):
        raise BadInput(f"no experiment {spec!r}{nearest(spec, builtin())}; built in: {', '.join(builtin())}, or give a YAML file")
    return read_text(path, "an experiment file is a page of YAML; give such a file", MOST_BYTES)


MOST_BYTES = 1_000_000
"""Bytes of an experiment file."""


def _scalar(text: str, where: str) -> Any:
    try:
        return plain_yaml.read(text, f"{where[:80]!r}")
    except BadInput as error:
        raise BadInput(f"{error}; the value is not YAML that can be used, quote it") from None
