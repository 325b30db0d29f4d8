"""An n-gram model of text, counted, sampled and scored with sorted arrays in NumPy. A fit takes seconds and needs no accelerator."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from outcross.data import Human
from outcross.data.records import Blocks
from outcross.errors import missing_extra
from outcross.files import packed
from outcross.models import Learner
from outcross.models.ngram.sampling import opened, sample
from outcross.models.ngram.tree import NOTHING, START, Tree, grow
from outcross.models.ngram.words import WordBlocks
from outcross.models.writing import prompts_of, written
from outcross.recipe import recipe
from outcross.text.documents import TokenBlocks

if TYPE_CHECKING:
    from outcross.models.ngram.words import WordVocabulary
    from outcross.text.vocabulary import Vocabulary


@recipe
class Ngram(Learner):
    """Interpolated Kneser-Ney smoothing with three discounts per order (formula in models/ngram/tree.py), over byte-level BPE or words.

    A token that never occurred still has a positive probability, because the shortest context is interpolated with a uniform distribution.
    Kneser-Ney is defined for whole counts, so the learner takes no weights. Instead the loop resamples records in proportion to the weights.
    Whole records then repeat and few n-grams occur once. Discounts that can no longer be estimated are set to 0.5, 1 and 1.5. A model
    continues the last tokens of its prompt.
    """

    paper = "Kneser & Ney, ICASSP 1995; Chen & Goodman, Computer Speech and Language 13:359 (1999); Heafield et al., ACL 2013"
    libraries = ("numpy", "tokenizers", "torch", "transformers")
    learns = ("text",)
    marks = True
    takes_weights = False

    order: Annotated[int, Field(ge=1, le=5)] = 3
    """Number of tokens in the longest n-grams; with 3 a token is predicted from the two tokens before it."""
    tokens: Literal["bpe", "words"] = "bpe"
    """The unit that is counted. Words are separated by white space, and words that are not in the vocabulary are spelt in bytes."""
    vocabulary: Annotated[int, Field(ge=257, le=1_000_000)] = 8192
    """Size of the vocabulary, including the start token and the 256 bytes. For `words` choose it large enough for all words of interest."""

    def form(self, block):
        if self.tokens == "words":
            return WordBlocks(block=block, vocabulary=self.vocabulary)
        if importlib.util.find_spec("tokenizers") is None:
            raise missing_extra("tokenizers", "torch")
        return TokenBlocks(block=block, vocabulary=self.vocabulary)

    def begin(self, human: Human, training, rng):
        """Return an untrained model, in which all tokens are equally likely. It holds the vocabulary."""
        block = human.training.records.tokens.shape[1]
        return NgramModel(grow(np.empty((0, block), dtype=np.int32), 1, human.vocabulary.size), human.vocabulary, block)

    def fit(self, records: Blocks, weights, start: Any, training, rng):
        return replace(start, tree=grow(records.tokens, self.order, start.vocabulary.size))

    def load(self, folder):
        stored = packed.load(folder / "ngram.npz")
        tree = Tree(int(stored["tokens"]), *(stored[name] for name in ARRAYS))
        block = int(stored["block"])
        return NgramModel(tree, self.form(block).load_vocabulary(folder / "vocabulary.json"), block)


ARRAYS = ("contexts", "followers", "counts", "firsts", "discounts")


@dataclass(frozen=True, eq=False)
class NgramModel:
    """Counted contexts and the vocabulary of their tokens."""

    tree: Tree
    vocabulary: Vocabulary | WordVocabulary
    block: int
    """Number of tokens in a record."""

    def sample(self, draw, prompts: Blocks | None, rng: np.random.Generator) -> Blocks:
        """Return blocks that continue the prompts in their order, from the first one again if there are too few prompts.

        A block consists of the `draw.prefix` tokens of its prompt that are kept, followed by the new tokens.
        """
        read = prompts_of(draw, prompts)
        opens = np.empty((draw.records, 0), dtype=np.int32) if read is None else read
        return written(sample(self.tree, opens, self.block - draw.prefix, draw, rng), read, draw, prompts, self.vocabulary)

    def log_prob(self, records: Blocks) -> np.ndarray:
        """Return the log-probability of each block in nats, (n,), without a prompt."""
        many = max(1, POSITIONS // self.block)
        scored = [self._nats(records.tokens[first : first + many]) for first in range(0, len(records), many)]
        return np.concatenate(scored) if scored else np.empty(0)

    def next_log_prob(self, records: Blocks) -> np.ndarray:
        """Return the log-probability of each token to follow each block, in nats, (n, vocabulary); minus infinity for the start token."""
        with np.errstate(divide="ignore"):
            return np.log(self.distribution(records.tokens))

    def distribution(self, contexts: np.ndarray) -> np.ndarray:
        """Return the probability of each next token, (n, vocabulary), after rows of tokens (n, any) that begin a record.

        The probability of the start token is 0.
        """
        return self.tree.distribution(self.tree.deepest(opened(contexts, self.tree.reach)))

    def _nats(self, tokens: np.ndarray) -> np.ndarray:
        """Return the log-probability of each row of tokens, (n,)."""
        reach = self.tree.reach
        padded = np.full((len(tokens), reach + tokens.shape[1]), NOTHING, dtype=np.int32)
        padded[:, reach - 1 : reach] = START
        padded[:, reach:] = tokens
        windows = np.lib.stride_tricks.sliding_window_view(padded, max(1, reach), axis=1)[:, : tokens.shape[1]]
        nodes = self.tree.deepest(windows.reshape(tokens.size, -1))
        return np.log(self.tree.probability(nodes, tokens.ravel())).reshape(tokens.shape).sum(axis=1)

    @property
    def parameters(self) -> int:
        """Number of learned parameters, which are the counts of n-grams."""
        return self.tree.counts.size

    def save(self, folder: Path) -> None:
        arrays = {name: getattr(self.tree, name) for name in ARRAYS}
        packed.save(folder / "ngram.npz", tokens=np.array(self.tree.tokens), block=np.array(self.block), **arrays)
        self.vocabulary.save(folder / "vocabulary.json")


POSITIONS = 2**19
"""Number of tokens that are scored at a time."""
