"""The settings by which a model is sampled."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from outcross.recipe import exactly, recipe


@recipe
class Watermark:
    """The green-list watermark of Kirchenbauer et al. (arXiv 2301.10226), which writes green tokens more often. The previous token seeds the list."""

    key: Annotated[int, Field(ge=0, lt=2**63)] = 15485863
    """The hashing key; whoever knows it can detect the watermark. The default is that of transformers."""
    green: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """The share of the vocabulary that is green after each token."""
    bias: Annotated[float, Field(gt=0, le=20)] = 2.0
    """The number that is added to the logits of green tokens."""


@recipe
class Draw:
    """How many records are drawn from a model, and how.

    The law that is sampled is p^(1/temperature), normalised, then cut to the `top_k` likeliest outcomes and to the
    smallest set of mass `top_p`. For N(mu, Sigma) that is N(mu, temperature Sigma), so `temperature` is the sampling bias
    lambda of Alemohammad et al. (arXiv 2307.01850). Temperature 0 is greedy: it takes the likeliest outcome, token by token. With `beams` it
    takes the likeliest text that a search of that width finds.
    """

    temperature: Annotated[float, Field(ge=0, le=100)] = 1.0
    """The divisor of the logits. 1 is the model's own law, 0 takes the likeliest outcome."""
    top_k: Annotated[int, Field(ge=0)] = 0
    """Number of likeliest outcomes that are kept; 0 keeps all."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The mass of the smallest set of outcomes that is kept; 1 keeps all."""
    beams: Annotated[int, Field(ge=1, le=64)] = 1
    """Width of a beam search, which is the number of texts kept at every token (Shumailov et al.: 5). Above 1 only at temperature 0."""
    repetition_penalty: Annotated[float, Field(ge=1, le=100)] = 1.0
    """Penalty on tokens that already occur in the prompt or in the text so far; 1 is none. Positive scores of such tokens are divided by it,
    negative scores are multiplied by it (Keskar et al., arXiv 1909.05858, in the form that is in use). Scores are logits; in a beam search they
    are log-probabilities."""
    watermark: Annotated[Watermark | None, exactly(Watermark, "draw.watermark", or_none=True)] = None
    """The watermark of the text that a language model writes, for example {bias: 2}; none if left out. It affects sampling only: the model's
    log-probabilities stay unmarked."""
    prompts: Literal["human", "newest", "none"] = "human"
    """The records that a language model continues, one by one: the human training set, the newest part, or none."""
    prefix: Annotated[int, Field(ge=0)] = 0
    """Number of tokens of the prompt that become the beginning of the record and are trained on with it. The model reads no more of the prompt
    and writes the rest of the block (Gambetta et al., arXiv 2410.12341). With 0 the model reads the whole prompt, and the record holds new
    tokens only (Shumailov et al.)."""
    records: Annotated[int, Field(ge=0)] = 0
    """Records drawn in a generation; set by the experiment's `rows`."""

    @model_validator(mode="after")
    def _searches_for_the_likeliest(self):
        if self.beams > 1 and self.temperature != 0:
            raise ValueError(
                f"beams above 1 searches for the likeliest text and needs temperature: 0, got {self.temperature:g}; write temperature: 0, or beams: 1"
            )
        return self

    @model_validator(mode="after")
    def _marks_what_can_be_chosen(self):
        if self.watermark is not None and (self.temperature == 0 or self.cuts or self.looks_back):
            raise ValueError(
                "watermark needs a law in which every token is possible; leave out top_k, top_p, beams and repetition_penalty, and give a temperature above 0"
            )
        return self

    @property
    def is_full(self) -> bool:
        """Whether samples follow the model's own law."""
        return self.temperature == 1 and not self.cuts and not self.looks_back and self.watermark is None

    @property
    def looks_back(self) -> bool:
        """Whether a token depends on more than the model's law of the next token, because of beams or a repetition penalty."""
        return self.beams > 1 or self.repetition_penalty != 1

    @property
    def cuts(self) -> bool:
        """Whether top_k or top_p is in force."""
        return self.top_k > 0 or self.top_p < 1
