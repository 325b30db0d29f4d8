"""The vocabulary of a pretrained model, read from the file of its fast tokenizer."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from outcross.errors import BadInput
from outcross.text.tokens import TokenBytes
from outcross.text.vocabulary import bytes_of, numbers_of

BYTE = re.compile(r"<0x([0-9A-F]{2})>")
MOST_TOKENS = 2**24
"""Maximum number of tokens in a vocabulary; the largest known vocabularies have a million."""
SPACE = "▁"
"""The character by which SentencePiece represents a space."""


class ModelVocabulary(TokenBytes):
    """A vocabulary of byte-level BPE as in GPT-2, or of SentencePiece pieces.

    Special tokens represent no bytes and are omitted from decoded texts. Text that spells a special token is ordinary text. Token numbers that
    the model has but the tokenizer lacks represent no bytes.
    """

    def __init__(self, tokenizer_json: str, start: int | None, size: int):
        try:
            self._tokenizer = Tokenizer.from_str(tokenizer_json)
        except Exception as error:  # tokenizers raises plain Exception
            raise BadInput(
                f"the tokenizer could not be read ({' '.join(str(error).split())[:160]}); give a complete tokenizer.json"
            ) from None
        self._tokenizer.encode_special_tokens = True  # This setting is not stored in the JSON.
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.start = start
        """The number of the start token of a line or block; None if the model has none."""
        if self.written > MOST_TOKENS:
            raise BadInput(
                f"the tokenizer has the token number {self.written - 1:,}, but the maximum is {MOST_TOKENS - 1:,}; download the tokenizer again"
            )
        self.size = max(size, self.written)
        """Number of tokens, including special tokens and tokens that the tokenizer lacks."""

    @property
    def written(self) -> int:
        """Number of tokens in the tokenizer; the model must have at least as many."""
        return max(self._tokenizer.get_vocab().values(), default=-1) + 1

    def number(self, token: str | None) -> int | None:
        """Return the number of the token with this spelling; None if there is none."""
        return None if token is None else self._tokenizer.token_to_id(token)

    def spelling(self, number: Any) -> str | None:
        """Return the spelling of the token with this number; None if there is none."""
        return self._tokenizer.id_to_token(number) if isinstance(number, int) else None

    def encode(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """Return the token numbers of each text, (tokens,) each."""
        return numbers_of(self._tokenizer, texts)

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """The bytes that each token represents; none for special tokens."""
        added = self._tokenizer.get_added_tokens_decoder()
        is_byte_level = "ByteLevel" in json.dumps(self._tokenizer_file.get("decoder")) + json.dumps(
            self._tokenizer_file.get("pre_tokenizer")
        )
        pieces = [b""] * self.size
        for piece, number in self._tokenizer.get_vocab().items():
            if number in added:
                pieces[number] = b"" if added[number].special else piece.encode()
            elif is_byte_level:
                pieces[number] = bytes_of(piece)
            else:
                byte = BYTE.fullmatch(piece)
                pieces[number] = bytes([int(byte[1], 16)]) if byte else piece.replace(SPACE, " ").encode()
        return pieces

    @property
    def _tokenizer_file(self) -> dict[str, Any]:
        return json.loads(self._tokenizer.to_str())

    def to_json(self) -> str:
        """Return the tokenizer alone, in the format of transformers."""
        return json.dumps(self._tokenizer_file, ensure_ascii=True, indent=0) + "\n"

    def save(self, path: Path) -> None:
        """Write one JSON file; the same vocabulary gives the same bytes."""
        description = {"start": self.start, "size": self.size, "tokenizer": self._tokenizer_file}
        path.write_text(json.dumps(description, ensure_ascii=True, indent=0) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        description = json.loads(path.read_text(encoding="utf-8"))
        return cls(json.dumps(description["tokenizer"]), description["start"], description["size"])

    @classmethod
    def of(cls, file: Path, config: Any) -> Self:
        """Return the vocabulary of a tokenizer file, with the start token and the size of the model's configuration."""
        return cls(file.read_text(encoding="utf-8"), config.bos_token_id, config.vocab_size)
