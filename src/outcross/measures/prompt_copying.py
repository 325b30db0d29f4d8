"""How many of the written words also occur in the prompt of their text?"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from outcross.estimate import Estimate, NotApplicable, Null
from outcross.measures import Page, read_with_null, unread
from outcross.measures.of_texts import HUMAN_SIDE, OfTexts, beside_prompts, written_beside_prompts
from outcross.measures.writing import Writing, notes
from outcross.recipe import recipe
from outcross.statistics.clusters import share
from outcross.statistics.floors import normal
from outcross.text.lexicon import Sample
from outcross.text.texts import PromptedTexts


@recipe
class PromptCopying(OfTexts):
    """Share of words that also occur in the prompt of their own text.

    People also repeat words of the text that they continue, so the share is compared with theirs. It shows whether words only seem to survive: a
    model whose prompts are human text can copy any word of them.
    """

    aspect = "copying"
    pages = {
        "prompt_copying": Page(
            "CP6", "words of the own prompt", f"Share of the written words that also occur in the prompt of their own text. {HUMAN_SIDE}",
            unit="fraction", healthy="the share of people who continue the same text", collapsed="towards 1",
            margin=0.02, worse="larger", margin_kind="difference", role="copying", preference=1,
            paper="Grusky, Naaman and Artzi, NAACL 2018, arXiv 1804.11283 (coverage, of single words)",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        columns = evidence.reference.of_kind("text")
        try:
            prompted = beside_prompts(evidence)
        except NotApplicable as why:
            yield from (unread("prompt_copying", str(why), column=column) for column in columns)
            return
        for column in prompted.reference.of_kind("text"):
            sides = written_beside_prompts(prompted, column)
            human = sides.get("holdout", sides["reference"])
            note = "; ".join(filter(None, (f"beside {prompted.human_side}", notes(sides["synthetic"], human))))
            yield read_with_null("prompt_copying", lambda sides=sides: _copying(sides), column=column, note=note)


def _copying(sides: Mapping[str, Writing]) -> tuple[Estimate, Null]:
    own, usual = (_copied(side) for side in (sides["synthetic"], sides.get("holdout", sides["reference"])))
    error = math.hypot(own.standard_error, usual.standard_error)
    return own, normal(own.value, error, "larger", own.method, usual.value)


def _copied(text: Writing) -> Estimate:
    """Return the share of words that also occur in the prompt of their own text."""
    if not isinstance(text.texts, PromptedTexts) or not any(text.texts.prompts):
        raise NotApplicable("the texts were written without prompts")
    sample: Sample = text.sample
    written, new = (sample.spread(words.per_block) for words in (sample.words, sample.words.own))
    return share(np.asarray(written - new), written, "words", text.cluster_kind)
