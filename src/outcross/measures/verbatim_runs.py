from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.data.records import Blocks
from outcross.estimate import Estimate, NotApplicable, read_off
from outcross.measures import Measure, Page
from outcross.recipe import recipe
from outcross.statistics.clusters import document_of, prompts_of, share, totals


@recipe
class VerbatimRuns(Measure):
    """How much of the drawn text stands word for word in what the model learned from.

    Runs of tokens, not of words: they are what the model copies, exact to the byte, and the same for scripts without spaces. Runs
    never cross the end of a block, so a run that two neighbouring training blocks share is not found: the floor has the same defect.
    """

    tokens: Annotated[int, Field(ge=1, le=1000)] = 12
    """Length of a run: 12 tokens are about eight words of English."""

    aspect = "copying"
    needs = ("text",)
    pages = {
        "copying": Page(
            "VR1", "copying", "Share of the drawn runs of 12 tokens (unless set) that stand verbatim in the training text of this generation, and in the human training text.",
            unit="fraction", healthy="its floor: the second human sample in the human training text", collapsed="towards 1",
            role="copying", paper="Carlini et al., arXiv 2202.07646; Brown et al., arXiv 2005.14165 App. C (overlap of n-grams)",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        drawn, human = evidence.drawn, evidence.human.training.records
        prompts = prompts_of(drawn)
        yield read_off("copying", lambda: self._copied(drawn, evidence.training, prompts), at="training")
        yield read_off(
            "copying",
            lambda: self._copied(drawn, human, prompts),
            null=lambda: self._copied(evidence.holdout, human, (document_of(evidence.holdout), "documents")),
            at="human",
        )

    def _copied(self, text: Blocks, source: Blocks, independent: tuple[np.ndarray, str]) -> Estimate:
        clusters, of = independent
        runs = self._runs(text)
        copied = np.isin(runs, self._runs(source)).sum(axis=1)
        return share(totals(copied, clusters), totals(np.full(len(text), runs.shape[1]), clusters), "runs", of)

    def _runs(self, text: Blocks) -> np.ndarray:
        """A number for each run of each block, (n, block - length + 1): equal runs have equal numbers.

        Two others clash with a chance below 2⁻⁴⁰ (a sum with random 64-bit multipliers, modulo 2⁶⁴), which no reading shows.
        """
        if len(text) == 0:
            raise NotApplicable("there is no text")
        if (block := text.tokens.shape[1]) < self.tokens:
            raise NotApplicable(f"a block has {block} tokens, fewer than a run of {self.tokens}")
        tokens, runs = text.tokens.astype(np.uint64), block - self.tokens + 1
        multipliers = np.random.default_rng(0x0C).integers(1 << 64, size=self.tokens, dtype=np.uint64) | np.uint64(1)
        return sum(tokens[:, i : i + runs] * multipliers[i] for i in range(self.tokens))  # type: ignore[return-value]
