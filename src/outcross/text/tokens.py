"""What vocabularies of tokens have in common: each token represents some bytes, possibly none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


class TokenBytes:
    """A vocabulary whose texts are the bytes of its tokens, one token after the other."""

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """The bytes that each token represents; none for the start token and other special tokens."""
        raise NotImplementedError

    def decode(self, records: Iterable[Sequence[int] | NDArray[np.integer]]) -> list[str]:
        """Return the text of each record, without start tokens and other special tokens. Bytes that are not UTF-8 become U+FFFD.

        A block of a text can begin or end within a character, so only whole texts are restored exactly.
        """
        return [b"".join([self.token_bytes[token] for token in record]).decode("utf-8", "replace") for record in records]

    @cached_property
    def byte_lengths(self) -> NDArray[np.int32]:
        """Number of bytes of each token, (size,): the denominator of bits per byte. Special tokens have none."""
        return np.array([len(piece) for piece in self.token_bytes], dtype=np.int32)
