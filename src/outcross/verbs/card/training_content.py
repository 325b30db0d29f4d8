"""The items on synthetic data of the template for the public summary of training content, as far as the rows can answer them.

Section 2.5 of the template (European Commission, 24 July 2025; Article 53(1)(d) of Regulation (EU) 2024/1689) has four items: whether the provider made
synthetic data, or had them made, to train the model; their modality; the general-purpose models on the market that made them; and the other models that made
them, including the provider's own. It does not ask for a share. Rows cannot say who provides a model or which models are on the market.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from outcross.escapes import in_markdown, shortened
from outcross.verbs.card.description import WORDS, DataDescription
from outcross.verbs.card.readme import table
from outcross.verbs.mix.finished.composition import UNNAMED
from outcross.wording import amount

MOST = 1000
"""Maximum number of models that are listed."""


@dataclass(frozen=True)
class Item:
    """An item of the template: the question, the answer from the rows, and what they cannot answer."""

    number: str
    asked: str
    answer: str
    unknown: str
    """What the provider must fill in; empty if there is nothing."""
    facts: Any = None
    """The answer as plain data."""

    def plain(self) -> dict[str, Any]:
        return {"item": self.number, "asked": self.asked, "answer": self.answer, "unknown": self.unknown, "facts": self.facts}


def items(described: DataDescription) -> Iterator[Item]:
    """Yield the four items. Each has the numbers of rows that its answer rests on."""
    composition = described.composition
    unsure = (
        f" {amount(composition.unknown_rows, 'row')} of unknown origin may also be synthetic." if composition.unknown_rows else ""
    )
    rows = {"rows": composition.rows, "synthetic_rows": composition.synthetic_rows, "unknown_rows": composition.unknown_rows}
    is_there = f"{composition.synthetic_rows:,} of the {composition.rows:,} rows are synthetic (share {composition.share(composition.synthetic_rows):.6g})."
    yield Item(
        "2.5 (question)",
        "Were synthetic data made by the provider, or on the provider's behalf, to train the model?",
        is_there + unsure,
        "Whether the provider of the model made them, or had them made, to train it. Rows do not say for whom they were written.",
        rows,
    )
    if not composition.synthetic_rows:
        nothing = "No row is declared synthetic." + unsure
        yield Item("2.5 (modality)", MODALITY, nothing, "", [])
        yield Item("2.5 (models on the market)", ON_MARKET, nothing, "", [])
        yield Item("2.5 (other models)", OTHERS, nothing, "", [])
        return
    kinds = [kind for kind in described.modalities if kind != "other"]
    odd = "other" in described.modalities
    yield Item(
        "2.5 (modality)",
        MODALITY,
        f"According to the types of the columns: {', '.join(kinds) or 'unknown'}.",
        "The content of the columns that are neither text nor numbers." if odd else "",
        described.modalities,
    )
    named = [written for written in composition.synthetic if written.model]
    models = [
        {"model": written.model, "origin": written.origin, "generation": written.generation, "rows": written.rows}
        for written in named[:MOST]
    ]
    teachers = {model: count for model, count in composition.teachers.items() if model != UNNAMED}
    said = (
        f"{len(teachers):,} models are named, in {sum(teachers.values()):,} rows; they are listed below."
        if teachers
        else "No row names its model."
    )
    unnamed = composition.teachers.get(UNNAMED, 0)
    yield Item(
        "2.5 (models on the market)",
        ON_MARKET,
        said,
        "Which of them are general-purpose models that were on the market, and who provides them. Names of models do not say so.",
        models,
    )
    yield Item(
        "2.5 (other models)",
        OTHERS,
        f"{unnamed:,} synthetic rows name no model." if unnamed else "Every synthetic row names its model.",
        "Which of the models are the provider's own, or were not on the market, and what is known of them"
        + (f"; and which models wrote the {unnamed:,} rows that name no model." if unnamed else "."),
        {"rows_without_model": unnamed},
    )


MODALITY = "Which modality do the synthetic data have?"
ON_MARKET = "Which general-purpose AI models that are on the market were used to make them?"
OTHERS = "Which other AI models were used to make them, including the provider's own models that are not on the market?"
TITLE = "Synthetic data, for the public summary of training content"
SOURCE = (
    "The items follow section 2.5 of the template of the European Commission (24 July 2025; Article 53(1)(d) of Regulation (EU) 2024/1689). The answers "
    "contain only what the rows show. They are not legal advice, and the template has other sections."
)


def as_markdown(described: DataDescription) -> str:
    """The items in Markdown."""
    return "\n".join(_lines(described))


def _lines(described: DataDescription) -> Iterator[str]:
    yield from (f"# {TITLE}", "", f"Data set: {in_markdown(shortened(described.name, 120))}. {SOURCE}")
    for item in items(described):
        yield from ("", f"## {item.asked}", "", item.answer)
        if item.unknown:
            yield from ("", f"**To be filled in, since the rows do not say it:** {item.unknown}")
    composition = described.composition
    if composition.synthetic:
        yield from ("", "## Models", "")
        yield from table(
            ("model", "origin", "generation", "rows", "share"),
            (
                (
                    in_markdown(shortened(written.model, 120)) if written.model else UNNAMED,
                    WORDS[written.origin],
                    UNNAMED if written.generation is None else str(written.generation),
                    f"{written.rows:,}",
                    f"{composition.share(written.rows):.6g}",
                )
                for written in composition.synthetic[:MOST]
            ),
        )
    yield ""


def as_json(described: DataDescription) -> str:
    """The items as JSON."""
    content = {
        "schema": 1,
        "title": TITLE,
        "source": SOURCE,
        "data": described.name,
        "items": [item.plain() for item in items(described)],
    }
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
