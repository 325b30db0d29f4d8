"""Detection of watermarks, which a model leaves in its text and which can be counted with the key."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from outcross.detectors import Detector, DetectorPage, FittedDetector, Reader
from outcross.detectors.given import FirstColumn
from outcross.errors import BadInput, missing_extra
from outcross.recipe import FROM_LIST, recipe

FEWEST = 16
"""Minimum number of different runs of tokens in a text. For a text with fewer runs the detector abstains."""
SEED_OF_TABLE, SIZE_OF_TABLE = 0, 65536
"""Seed and size of SynthID's table, as in transformers."""
MOST_TOKENS = 1 << 24
"""Maximum size of a vocabulary. Known ones have at most a million tokens, and a green list takes memory for each token."""
MOST_BYTES = 1 << 26
"""Maximum memory of the green lists that are kept, in bytes."""


@recipe
class WatermarkDetector(Detector):
    """The exact binomial tail of the marks of a watermark, with each run of tokens counted once.

    The watermark is the green list of Kirchenbauer et al., or the tournament of SynthID-Text.
    """

    page = DetectorPage(
        "watermark",
        "−log₁₀ of P(at least this number of marks | no watermark), by the exact binomial tail over the different runs of tokens of a text.",
        "It detects only texts of models with this watermark and this key. The watermark is weak in repetitive text and in text with little choice of words, and paraphrase removes it. "
        "For a single key, runs of tokens that many people write have fixed marks, so P is exact over keys and not over texts. Give a human sample to calibrate this.",
        "Kirchenbauer et al., ICML 2023, arXiv 2301.10226; Dathathri et al., Nature 634:818 (2024)",
    )  # fmt: skip
    libraries = ("torch", "transformers", "tokenizers", "scipy")
    needs_ai = False

    tokenizer: str
    """The folder of the model with the watermark, with its tokenizer.json and config.json. Its tokenizer reads the texts."""
    scheme: Literal["green", "synthid"] = "green"
    key: int | None = None
    """The hashing key of the green list; 15485863, as in transformers, if left out."""
    keys: Annotated[tuple[int, ...], FROM_LIST] = ()
    """SynthID's keys, one per layer."""
    green: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """The share of the vocabulary that is green."""
    seeding: Literal["lefthash", "selfhash"] = "lefthash"
    context: Annotated[int, Field(ge=1, le=20)] = 1
    """Number of previous tokens that seed the green list."""
    ngram: Annotated[int, Field(ge=2, le=20)] = 5
    """Number of tokens that seed SynthID's marks, including the marked token."""

    @model_validator(mode="after")
    def _knows_its_keys(self):
        for name, numbers in (("key", () if self.key is None else (self.key,)), ("keys", self.keys)):
            if wrong := next((number for number in numbers if not 0 <= number < 2**63), None):
                raise ValueError(
                    f"{name} must be in [0, 2⁶³), the range of transformers, got {wrong}; give the key with which the model was sampled"
                )
        if self.scheme == "synthid" and not self.keys:
            raise ValueError(
                "keys must be given for synthid, as the list with which the model was sampled; write for example keys: [654, 400, 836]"
            )
        if self.scheme == "synthid" and self.key is not None:
            raise ValueError("key belongs to the green list, and synthid has a list of keys; write keys")
        if self.scheme == "green" and self.keys:
            raise ValueError("keys belong to synthid, and the green list has a single key; write key")
        return self

    def reader(self, given: Sequence[str]) -> Reader:
        return self._scores

    def fit(self, features: Any, is_model: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> FittedDetector:
        return FirstColumn()

    @property
    def paths(self) -> tuple[str, ...]:
        files = ("tokenizer.json", "config.json") if self.scheme == "green" else ("tokenizer.json",)
        return tuple(str(Path(self.tokenizer) / file) for file in files)

    def p_values(self, texts: Sequence[str]) -> np.ndarray:
        """Return P(at least this number of marks | no watermark) for each text, (n,); NaN if too few runs can be counted."""
        from scipy.stats import binom

        marks, counted, chance = self.marks(texts)
        enough = counted >= FEWEST * (len(self.keys) or 1)
        return np.where(enough, binom.sf(marks - 1, counted, chance), np.nan)

    def _scores(self, texts: Sequence[str]) -> np.ndarray:
        return -np.log10(np.maximum(self.p_values(texts), 1e-300))[:, None]

    def marks(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the numbers of marks and of counted places of each text, (n,) each, and the probability of a mark without a watermark."""
        tokens = [self._tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        count = self._green if self.scheme == "green" else self._tournament
        counts = np.array([count(ids) for ids in tokens], np.int64).reshape(-1, 2)
        return counts[:, 0], counts[:, 1], self.green if self.scheme == "green" else 0.5

    def _green(self, ids: list[int]) -> tuple[int, int]:
        """Return the number of green tokens in the different runs of a text, and the number of runs."""
        own = int(self.seeding == "selfhash")
        width = self.context + 1 - own
        runs = sorted({tuple(ids[at : at + width]) for at in range(len(ids) - width + 1)})
        return sum(self._is_in_list(run if own else run[:-1], run[-1]) for run in runs), len(runs)

    def is_green(self, before: Sequence[int], token: int) -> bool:
        """Whether a token is green, for the scheme green.

        The `context` tokens before it seed the green list; with selfhash, the token itself and one fewer of the tokens before it.
        """
        seed = (*before, token) if self.seeding == "selfhash" else tuple(before)
        return self._is_in_list(seed[-self.context :], token)

    def _is_in_list(self, prefix: tuple[int, ...], token: int) -> bool:
        """Whether a token is in the green list that these tokens seed. A token beyond the vocabulary of the model never is."""
        bits = self._green_list(prefix)
        return token >> 3 < bits.size and bool(bits[token >> 3] >> (token & 7) & 1)

    def _green_list(self, prefix: tuple[int, ...]) -> np.ndarray:
        """Return one bit for each token of the vocabulary, (vocabulary / 8,), which is 1 if the token is green after these tokens."""
        import torch

        if prefix not in self.kept_lists:
            is_green = np.zeros(self._processor.vocab_size, bool)
            is_green[self._processor._get_greenlist_ids(torch.tensor(prefix)).numpy()] = True
            bits = np.packbits(is_green, bitorder="little")
            if (len(self.kept_lists) + 1) * bits.nbytes > MOST_BYTES:
                self.kept_lists.clear()
            self.kept_lists[prefix] = bits
        return self.kept_lists[prefix]

    @cached_property
    def kept_lists(self) -> dict[tuple[int, ...], np.ndarray]:
        """Green lists that were computed, by the tokens that seed them: one bit for each token of the vocabulary, and at most `MOST_BYTES` together."""
        return {}

    def _tournament(self, ids: list[int]) -> tuple[int, int]:
        """Return the number of marks of all layers at the places whose context occurs for the first time, and the number of possible marks there."""
        import torch

        if len(ids) < self.ngram:
            return 0, 0
        row = torch.tensor(ids)[None]
        values = self._processor.compute_g_values(row)[0]
        first = self._processor.compute_context_repetition_mask(row)[0].bool()
        return int(values[first].sum()), int(first.sum()) * len(self.keys)

    @cached_property
    def _tokenizer(self) -> Any:
        """Its tokenizer. Raises BadInput if there is none that can be read, or if it has tokens that the model does not have."""
        tokenizer = _tokenizer_of(self.tokenizer)
        if self.scheme == "green" and (own := tokenizer.get_vocab_size(with_added_tokens=False)) > (
            size := _vocabulary_of(self.tokenizer)
        ):
            raise BadInput(
                f"{self.tokenizer}: the tokenizer has {own:,} tokens, but vocab_size in config.json is {size:,}, so they are not of one model; give the folder of the model itself"
            )
        return tokenizer

    @cached_property
    def _processor(self) -> Any:
        try:
            import torch
            from transformers import SynthIDTextWatermarkLogitsProcessor, WatermarkLogitsProcessor
        except ImportError as error:
            raise missing_extra(error.name or "transformers", "lm") from None
        if self.scheme == "synthid":
            import torch

            return SynthIDTextWatermarkLogitsProcessor(
                self.ngram,
                list(self.keys),
                SIZE_OF_TABLE,
                SEED_OF_TABLE,
                1024,
                device=torch.device("cpu"),
                skip_first_ngram_calls=False,
            )
        return WatermarkLogitsProcessor(
            vocab_size=_vocabulary_of(self.tokenizer), device="cpu", greenlist_ratio=self.green, bias=2.0,
            hashing_key=15485863 if self.key is None else self.key, seeding_scheme=self.seeding, context_width=self.context,
        )  # fmt: skip


def _tokenizer_of(folder: str) -> Any:
    """Return the tokenizer of a folder. Raises BadInput if there is none that can be read."""
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise missing_extra(error.name or "tokenizers", "lm") from None
    file = Path(folder).expanduser() / "tokenizer.json"
    if not file.is_file():
        raise BadInput(
            f"detector.tokenizer: {folder} has no tokenizer.json, which is needed to count a watermark; give the folder of the model with the watermark"
        )
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:
        raise BadInput(f"{file} is not a tokenizer: {str(error)[:160]}; save it with tokenizers or transformers") from None


def _vocabulary_of(folder: str) -> int:
    """Return the vocabulary size of the model, on which the green list depends.

    It comes from config.json and can be larger than the vocabulary of the tokenizer.
    """
    import json

    from outcross.files.whole import read_text

    file = Path(folder).expanduser() / "config.json"
    if not file.is_file():
        raise BadInput(
            f"detector.tokenizer: {folder} has no config.json, whose vocab_size the green list depends on; give the folder of the model itself"
        )
    try:
        size = json.loads(read_text(file))["vocab_size"]
    except (ValueError, KeyError, TypeError):
        raise BadInput(f"{file} has no vocab_size, on which the green list depends; give the folder of the model itself") from None
    if not isinstance(size, int) or not 1 < size <= MOST_TOKENS:
        raise BadInput(
            f"{file}: vocab_size must be a whole number above 1 and at most {MOST_TOKENS:,}, got {size!r:.40}; give the folder of the model itself"
        )
    return size
