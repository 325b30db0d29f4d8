"""The requested and the realised values of each target, computed from the drawn rows, as plain data for the plan and the manifest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.recipe import plain
from outcross.statistics.two_sources import effective_size
from outcross.text.hashed import divergence
from outcross.verbs.mix.targets.judged import Likeness, Needs, Numbers, RowGroups

if TYPE_CHECKING:
    from outcross.verbs.mix.targets.aimed import Aimed


def facts_of(aimed: Aimed) -> list[dict[str, Any]]:
    """Return one mapping for each target, sorted by the kind of target."""
    training = aimed.training
    starts = np.concatenate([[0], np.cumsum([scan.rows for scan in training.scans])])
    drawn = aimed.rows.rows(starts)
    judged = training.judged
    facts = [_of_groups(aimed, group, drawn) for group in judged.groups]
    facts += [_of_numbers(aimed, number, drawn) for number in judged.numbers]
    facts += [_of_likeness(aimed, likeness, drawn, starts) for likeness in judged.likenesses]
    facts += [*_of_needs(aimed, drawn)]
    learned = {fact["target"]: fact for fact in judged.facts()}
    return [
        fact
        | (
            {"classifier": {key: value for key, value in learned[fact["target"]].items() if key != "target"}}
            if fact["target"] in learned
            else {}
        )
        for fact in facts
    ]


def _of_groups(aimed: Aimed, groups: RowGroups, drawn: np.ndarray) -> dict[str, Any]:
    training, target = aimed.training, groups.target
    among = {None: np.ones(len(training.pool), bool), "human": training.is_human, "synthetic": ~training.is_human}[target.among]
    code, amounts = training.of(groups.codes), training.amounts
    drawn = drawn[among[drawn]]
    whole = int(amounts[drawn].sum())
    row_of_cell = training.cells[1]
    usual = training.usual(1) * among[row_of_cell]  # the share of each cell in a mix without targets
    all_usual = float(usual.sum())
    values = {}
    for place, value in enumerate(groups.values):
        amount = int(amounts[drawn[code[drawn] == place]].sum())
        values[value] = {
            "requested": 1 / len(groups.values) if target.parity else plain(target.shares[value]),
            "realised": amount / whole if whole else 0.0,
            training.asked.unit: amount,
            "available": int(amounts[among & (code == place)].sum()),
            "usual": float(usual[code[row_of_cell] == place].sum() / all_usual) if all_usual else 0.0,
        }
    return {"target": target.name, "values": values}


def _of_numbers(aimed: Aimed, numbers: Numbers, drawn: np.ndarray) -> dict[str, Any]:
    training, target = aimed.training, numbers.target
    values = training.of(numbers.values)
    facts: dict[str, Any] = {"target": target.name, "at_least": target.at_least, "at_most": target.at_most, "mean": target.mean}
    failed = sum(int(np.isnan(own).sum()) for own in numbers.values)
    of_drawn = values[drawn]
    return facts | {
        "without_a_number": failed,
        "available": {"mean": float(values.mean()), "lowest": float(values.min()), "highest": float(values.max())},
        "realised": {"mean": float(of_drawn.mean()), "lowest": float(of_drawn.min()), "highest": float(of_drawn.max())},
    }


def _of_likeness(aimed: Aimed, likeness: Likeness, drawn: np.ndarray, starts: np.ndarray) -> dict[str, Any]:
    training = aimed.training
    weights = training.of(likeness.log_weights)
    facts: dict[str, Any] = {
        "target": likeness.target.name,
        "effective_rows": effective_size(np.exp(weights - weights.max())),
        "rows": len(weights),
        "mean_log_weight": {"available": float(weights.mean()), "realised": float(weights[drawn].mean())},
    }
    if likeness.hashed is not None and likeness.wanted is not None:
        start = np.concatenate([[0], np.cumsum([len(own) for own in likeness.log_weights])])
        every = np.concatenate([rows + at for rows, at in zip(training.rows, start[:-1], strict=True)])
        facts["divergence_from_the_target"] = {
            "random": divergence(likeness.wanted, likeness.hashed.distribution(every[aimed.at_random.rows(starts)])),
            "available": divergence(likeness.wanted, likeness.hashed.distribution(every)),
            "realised": divergence(likeness.wanted, likeness.hashed.distribution(every[drawn])),
            "unit": "nats an n-gram",
        }
    return facts


def _of_needs(aimed: Aimed, drawn: np.ndarray) -> Iterator[dict[str, Any]]:
    training, place = aimed.training, 0
    for need in training.judged.needs:
        yield {
            "target": need.target.name,
            "notes": [*need.notes],
            "rules": [_of_need(aimed, need, place + number, number, drawn) for number in range(len(need.rules))],
        }
        place += len(need.rules)


def _of_need(aimed: Aimed, needs: Needs, place: int, number: int, drawn: np.ndarray) -> dict[str, Any]:
    training, need = aimed.training, aimed.problem.needs[place]
    inside = training.of(needs.inside)[:, number]
    amounts = training.amounts
    amount = int(amounts[drawn[inside[drawn]]].sum())
    usual = float(training.usual(aimed.plan.total)[need.cells].sum())
    return {
        "rule": need.rule,
        "missing": needs.missing[number],
        "asked_beyond_usual": need.more,
        "usual": usual,
        training.asked.unit: amount,
        "lacking": int(aimed.lacking[place]),
        "available": int(amounts[inside].sum()),
    }
