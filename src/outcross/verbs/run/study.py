"""The Study of a run, built from its ledger or from its tables."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from shlex import quote
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.files.plain_yaml import dump
from outcross.report.study import Law, Making, Page, PolicyPage, ShownAnswer, ShownPictures, ShownReading, ShownSample, Study

if TYPE_CHECKING:
    from outcross.verbs.run.result import Run


def read(
    run: Run,
    pages: Mapping[str, Page] | None = None,
    policies: Mapping[str, PolicyPage] | None = None,
    limits: Iterable[str] = (),
) -> Study:
    """Return the study of a run, with every number of its ledger. Raises BadInput if no generation has ended."""
    study = from_tables(run.name, run.readings, run.samples, run.laws, run.profile, pages, policies, limits, _run(run))
    notes = (run.unfinished,) if run.unfinished else ()
    return replace(study, notes=notes, pictures=tuple(_pictures(row) for row in _rows(run.pictures)))


def from_tables(
    name: str,
    readings: Any,
    samples: Any = None,
    laws: Any = None,
    profile: Any = None,
    pages: Mapping[str, Page] | None = None,
    policies: Mapping[str, PolicyPage] | None = None,
    limits: Iterable[str] = (),
    run: Making | None = None,
) -> Study:
    """Return a study of polars frames with the columns of a run's tables (`readings.parquet` and the others).

    The arms have the order of the readings.
    """
    stored_readings = tuple(reading for row in readings.iter_rows(named=True) for reading in _readings(row))
    of_readings = dict.fromkeys(row.arm for row in stored_readings)
    return Study(
        name=name,
        arms=tuple(of_readings),
        readings=stored_readings,
        samples=tuple(_sample(row) for row in _rows(samples)),
        laws=tuple(_law(row) for row in _rows(laws) if row["value"] is not None),
        profile=tuple(map(_answer, _rows(profile))),
        pages=dict(pages or {}),
        policies=dict(policies or {}),
        limits=tuple(limits),
        runs=() if run is None else (run,),
    )


def _rows(frame: Any) -> list[dict[str, Any]]:
    return [] if frame is None else frame.to_dicts()


def _readings(row: Mapping[str, Any]) -> Iterator[ShownReading]:
    """Yield the value of a row, and as a second reading the typical value of real data, if the row has it."""
    measured = ShownReading(
        arm=str(row["arm"]),
        generation=int(row["generation"]),
        measure=str(row["measure"]),
        value=row["value"],
        low=row["low"],
        high=row["high"],
        method=row["method"] or "",
        n=row["n"],
        at=", ".join(filter(None, (row["column"], row["at"], row["group"]))),
        seed=row["seed"],
        note=row["note"] or "",
    )
    yield measured
    if row["null"] is not None:
        real = {"value": row["null"], "low": row["null_low"], "high": row["null_high"]}
        yield replace(measured, **real, method="", n=None, note="", is_floor=True)


def _sample(row: Mapping[str, Any]) -> ShownSample:
    return ShownSample(
        arm=str(row["arm"]),
        generation=int(row["generation"]),
        prompt_id=int(row["prompt_id"]),
        prompt=row["prompt"] or "",
        text=row["text"] or "",
        seed=row.get("seed") or 0,
    )


def _pictures(row: Mapping[str, Any]) -> ShownPictures:
    pixels = np.frombuffer(base64.b64decode(row["pixels"]), dtype=np.uint8).reshape(-1, row["height"], row["width"])
    return ShownPictures(
        arm=str(row["arm"]),
        generation=int(row["generation"]),
        pixels=pixels,
        is_human=row["author"] == "human",
        seed=int(row["seed"]),
    )


def _law(row: Mapping[str, Any]) -> Law:
    return Law(arm=str(row["arm"]), generation=int(row["generation"]), measure=str(row["measure"]), value=row["value"])


def _answer(row: Mapping[str, Any]) -> ShownAnswer:
    return ShownAnswer(
        arm=str(row["arm"]),
        definition=str(row["definition"]),
        answer=str(row["answer"]),
        value=row.get("value"),
        low=row.get("low"),
        high=row.get("high"),
        when=row.get("when"),
        seed=row.get("seed") or 0,
        note=row.get("note") or "",
    )


def _run(run: Run) -> Making:
    return Making(
        name=run.name,
        experiment=dump(run.experiment),
        environment=json.dumps(run.environment, indent=1, ensure_ascii=False, sort_keys=True),
        steps=len(run.ledger.entries),
        command=_again(run),
    )


def _again(run: Run) -> str:
    """Return the command that repeats a run. For a run in memory it uses the experiment.yaml that the page shows beside it."""
    if run.folder is None:
        return "outcross run experiment.yaml"
    return f"outcross run {quote(str(run.folder / 'experiment.yaml'))} --out={quote(f'{run.folder}-again')}"
