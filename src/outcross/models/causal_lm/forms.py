"""Text as tokens of a pretrained model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from outcross.errors import BadInput
from outcross.recipe import recipe
from outcross.text.documents import TextForm


@recipe
class ModelBlocks(TextForm):
    """Text as blocks of the tokens of a pretrained model."""

    libraries = ("numpy", "polars", "tokenizers", "transformers", "gguf", "huggingface_hub")

    block: Annotated[int, Field(ge=2)]
    """Number of tokens in a record."""
    model: str
    """The model: a hub id, a folder, a GGUF file or `smollm2`."""
    bos: Literal["none", "line"] = "none"
    """Start tokens within the text: none, or one before every line."""

    def learn_vocabulary(self, texts):
        from outcross.models.causal_lm import folders

        vocabulary = folders.vocabulary(self.model)
        if self.bos == "line" and vocabulary.start is None:
            raise BadInput(
                f"learner.bos line puts a start token before every line, but {self.model} has no start token; write bos: none"
            )
        return vocabulary

    def load_vocabulary(self, path):
        from outcross.models.causal_lm.vocabulary import ModelVocabulary

        return ModelVocabulary.load(path)

    def _windows(self, documents, vocabulary):
        """Return None, because a pretrained model needs no text for pretraining."""
        return None
