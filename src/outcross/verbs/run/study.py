"""From a run folder to a Study."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from outcross.errors import BadInput
from outcross.experiment import parse
from outcross.files.whole import read_text
from outcross.report.study import Answer, Law, Page, PolicyPage, Reading, Run, Sample, Study
from outcross.verbs.run.tables import AGAIN, read_table

FLOOR = "floor"


def read(
    folder: str | Path,
    metrics: Mapping[str, Page] | None = None,
    policies: Mapping[str, PolicyPage] | None = None,
    limits: Iterable[str] = (),
) -> Study:
    """Read what `outcross run` left in a folder; only readings.parquet must be there.

    Raises BadInput without readings, and where a file is not what its name says.
    """
    folder = Path(folder)
    if not (folder / "readings.parquet").is_file():
        raise BadInput(f"{folder} holds no readings.parquet; name a folder that `outcross run SPEC --out DIR` made")
    readings = tuple(_reading(row) for row in _rows(folder / "readings.parquet", "arm generation metric value"))
    samples = tuple(_sample(row) for row in _rows(folder / "samples.parquet", "arm generation prompt_id prompt text"))
    laws = tuple(_law(row) for row in _rows(folder / "laws.parquet", "arm metric generation value") if row["value"] is not None)
    profile = tuple(_answer(row) for row in _rows(folder / "profile.parquet", "arm definition answer"))
    experiment = _experiment(folder)
    return Study(
        name=str(experiment.get("name") or folder.resolve().name),
        arms=_arms(experiment, (row.arm for row in (*readings, *samples, *laws, *profile))),
        readings=readings,
        samples=samples,
        laws=laws,
        profile=profile,
        metrics=dict(metrics or {}),
        policies=dict(policies or {}),
        limits=tuple(limits),
        runs=(_run(folder, experiment),),
    )


def _rows(path: Path, needed: str) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    return read_table(path, needed.split()).to_dicts()


def _reading(row: Mapping[str, Any]) -> Reading:
    is_floor, aspect = _floored(str(row.get("aspect") or ""))
    return Reading(
        arm=str(row["arm"]),
        generation=int(row["generation"]),
        metric=str(row["metric"]),
        value=row["value"],
        low=row.get("low"),
        high=row.get("high"),
        method=row.get("method") or "",
        n=row.get("n"),
        aspect=aspect,
        seed=row.get("seed") or 0,
        note=row.get("note") or "",
        is_floor=is_floor,
    )


def _floored(aspect: str) -> tuple[bool, str]:
    """Whether this aspect is a floor, and of which aspect: "floor 3-5" is the floor of "3-5"."""
    if aspect == FLOOR or aspect.startswith(FLOOR + " "):
        return True, aspect[len(FLOOR) :].strip()
    return False, aspect


def _sample(row: Mapping[str, Any]) -> Sample:
    return Sample(
        arm=str(row["arm"]),
        generation=int(row["generation"]),
        prompt_id=int(row["prompt_id"]),
        prompt=row["prompt"] or "",
        text=row["text"] or "",
        seed=row.get("seed") or 0,
    )


def _law(row: Mapping[str, Any]) -> Law:
    return Law(arm=str(row["arm"]), generation=int(row["generation"]), metric=str(row["metric"]), value=row["value"])


def _answer(row: Mapping[str, Any]) -> Answer:
    return Answer(
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


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _experiment(folder: Path) -> Mapping[str, Any]:
    path = folder / "experiment.yaml"
    text = read_text(path, AGAIN) if path.exists() else ""
    return parse(text, str(path)) if text.strip() else {}


def _arms(experiment: Mapping[str, Any], seen: Iterable[str]) -> tuple[str, ...]:
    """The arms that left something behind, in the order of the experiment, then of the readings."""
    found = dict.fromkeys(seen)
    declared = experiment.get("arms")
    declared = declared if isinstance(declared, list) else []
    names = [str(arm.get("name")) if isinstance(arm, dict) else str(arm) for arm in declared]
    return tuple(dict.fromkeys([*(name for name in names if name in found), *found]))


def _run(folder: Path, experiment: Mapping[str, Any]) -> Run:
    name = folder.resolve().name
    steps = [line for line in _text(folder / "ledger.jsonl").splitlines() if line.strip()]
    return Run(
        name=str(experiment.get("name") or name),
        experiment=_text(folder / "experiment.yaml"),
        environment=_environment(folder / "environment.json"),
        steps=len(steps) if steps else None,
        seconds=_seconds(folder / "timing.jsonl"),
        command=f"outcross run {folder}/experiment.yaml --out {folder}-again",
    )


def _environment(path: Path) -> str:
    try:
        return json.dumps(json.loads(_text(path) or "null"), indent=1, ensure_ascii=False, sort_keys=True)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is not JSON: {error}; run the experiment again, finished steps are kept") from None


MOST_SECONDS = 1e9
"""Thirty years: a step that says it took longer is damaged."""


def _seconds(path: Path) -> float | None:
    """Seconds of work summed over steps; a line that a killed run left unfinished is passed over."""
    total = None
    for line in _text(path).splitlines():
        try:
            step = json.loads(line)
        except (ValueError, RecursionError):
            continue
        seconds = step.get("seconds") if isinstance(step, dict) else None
        if isinstance(seconds, int | float) and 0 <= seconds <= MOST_SECONDS:
            total = (total or 0.0) + seconds
    return total
