"""How a model is sampled."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from outcross.recipe import exactly, recipe


@recipe
class Watermark:
    """The green list of Kirchenbauer et al. (arXiv 2301.10226), seeded by the token before: green tokens are written more often."""

    key: Annotated[int, Field(ge=0, lt=2**63)] = 15485863
    """The hashing key, by which who knows it finds the mark; that of transformers if left out."""
    green: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """The share of the vocabulary that is green after each token."""
    bias: Annotated[float, Field(gt=0, le=20)] = 2.0
    """What is added to the logits of green tokens."""


@recipe
class Draw:
    """How many records are drawn from a model, and how.

    The law that is sampled is p^(1/temperature), normalised, then cut to the `top_k` likeliest outcomes and to the
    smallest set of mass `top_p`. For N(mu, Sigma) that is N(mu, temperature Sigma), so `temperature` is the sampling bias
    lambda of Alemohammad et al. (arXiv 2307.01850). 0 is greedy: the likeliest outcome alone, token by token, or with
    `beams` the likeliest text that a search of that width finds.
    """

    temperature: Annotated[float, Field(ge=0, le=100)] = 1.0
    """What logits are divided by; 1 is the model's own law, 0 takes the likeliest outcome."""
    top_k: Annotated[int, Field(ge=0)] = 0
    """0 keeps all outcomes."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The mass of the smallest set of outcomes that is kept; 1 keeps all."""
    beams: Annotated[int, Field(ge=1, le=64)] = 1
    """Texts kept at every token of a search for the likeliest (Shumailov et al.: 5); above 1 only at temperature 0."""
    repetition_penalty: Annotated[float, Field(ge=1, le=100)] = 1.0
    """What holds a language model back from tokens that the prompt or the text so far has: their scores are divided by it where above 0 and
    multiplied where below (Keskar et al., arXiv 1909.05858, as it is in use); scores are logits, in a search by beams log-probabilities."""
    watermark: Annotated[Watermark | None, exactly(Watermark, "draw.watermark", or_none=True)] = None
    """The mark that a language model leaves in what it writes, as {bias: 2}; none if left out. It is of the writing alone: the model's own law stays as it is."""
    prompts: Literal["human", "newest", "none"] = "human"
    """What a language model continues, record by record: the human training set, the newest part, or nothing."""
    prefix: Annotated[int, Field(ge=0)] = 0
    """Tokens of the prompt that open the record and are trained on with it; the model reads no more of the prompt and writes the rest of the
    block (Gambetta et al., arXiv 2410.12341). 0: the model reads the whole prompt and the record is what is new (Shumailov et al.)."""
    records: Annotated[int, Field(ge=0)] = 0
    """Records drawn in a generation; set by the experiment's `rows`."""

    @model_validator(mode="after")
    def _searches_for_the_likeliest(self):
        if self.beams > 1 and self.temperature != 0:
            raise ValueError(
                f"beams above 1 is a search for the likeliest text, which needs temperature: 0, got {self.temperature:g}"
            )
        return self

    @model_validator(mode="after")
    def _marks_what_can_be_chosen(self):
        if self.watermark is not None and (self.temperature == 0 or self.cuts or self.looks_back):
            raise ValueError(
                "watermark marks a law whose tokens all may come: leave top_k, top_p and repetition_penalty out, and give a temperature above 0"
            )
        return self

    @property
    def is_full(self) -> bool:
        """Whether what is drawn has the model's own law."""
        return self.temperature == 1 and not self.cuts and not self.looks_back and self.watermark is None

    @property
    def looks_back(self) -> bool:
        """Whether a token depends on more than the model's law of the next one: beams, or a repetition penalty."""
        return self.beams > 1 or self.repetition_penalty != 1

    @property
    def cuts(self) -> bool:
        """Whether top_k or top_p is in force."""
        return self.top_k > 0 or self.top_p < 1
