"""How a model is sampled."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from outcross.recipe import recipe


@recipe
class Draw:
    """How many records are drawn from a model, and how.

    The law that is sampled is p^(1/temperature), normalised, then cut to the `top_k` likeliest outcomes and to the
    smallest set of mass `top_p`. For N(mu, Sigma) that is N(mu, temperature Sigma), so `temperature` is the sampling bias
    lambda of Alemohammad et al. (arXiv 2307.01850). 0 is greedy: the likeliest outcome alone.
    """

    temperature: Annotated[float, Field(ge=0, le=100)] = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0
    """0 keeps all outcomes."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    prompts: Literal["human", "newest", "none"] = "human"
    """What a language model continues, record by record: the human training set, the newest part, or nothing."""
    prefix: Annotated[int, Field(ge=0)] = 0
    """Tokens of the prompt that open the record and are trained on with it; the model reads no more of the prompt and writes the rest of the
    block (Gambetta et al., arXiv 2410.12341). 0: the model reads the whole prompt and the record is what is new (Shumailov et al.)."""
    records: Annotated[int, Field(ge=0)] = 0
    """Records drawn in a generation; set by the experiment's `rows`."""

    @property
    def cuts(self) -> bool:
        """Whether top_k or top_p is in force."""
        return self.top_k > 0 or self.top_p < 1
