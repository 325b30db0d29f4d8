from __future__ import annotations

import re
from hashlib import blake2b
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.filters import Candidates, Filter, FilterPage, Selection
from outcross.recipe import FROM_LIST, recipe
from outcross.text.texts import divided

PHRASE, LINES = "it contains one of the named phrases", "it is made of lines that many candidates share"
PIECES = re.compile(r"[\r\n]+|(?<=[.!?…])\s+|(?<=[。！？])")
"""Matches the end of a line or of a sentence."""


@recipe
class DropBoilerplateFilter(Filter):
    """Drop texts that consist of lines which many other texts share, such as notices, menus and refusals."""

    texts: Annotated[int, Field(ge=2)] = 10
    """A line or sentence is boilerplate if it occurs in at least this number of different texts."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """A text is dropped if at least this fraction of its characters is in boilerplate lines, in (0, 1]."""
    phrases: Annotated[tuple[str, ...], FROM_LIST] = ()
    """A text that contains any of these phrases is dropped, even if no other text contains it. Example: "as an ai language model"."""

    page = FilterPage(
        "drop boilerplate", "A line or sentence that occurs in at least ten different texts (unless set) is boilerplate. Lines are compared in lower case, and all numbers count as equal. A text is dropped if boilerplate makes up at least half of its characters (unless set), or if it contains one of the named phrases.",
        "Ten is few among millions of texts and many among hundreds. Refrains, prayers and short answers (yes, thank you) are shared by many texts because people say them often. Copies of one text count once.",
        "Raffel et al., JMLR 21:140 (2020), section 2.2 (C4); Lee et al., ACL 2022, arXiv 2107.06499",
    )  # fmt: skip
    libraries = ("polars",)

    @property
    def needs(self):
        return ("texts",)

    def select(self, candidates, rng):
        n, named = len(candidates), [_alike(phrase) for phrase in self.phrases]
        says, copies = np.zeros(n, bool), np.zeros(n, np.uint64)
        codes, lengths, owners = [np.zeros(0, np.uint64)], [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
        for places, texts in candidates.batches_of_texts():
            lines = [_lines(text) for text in texts]
            known: dict[str, bytes] = {}
            digests = [b"".join(known.get(line) or known.setdefault(line, _digest(_bytes(line))) for line in own) for own in lines]
            codes.append(np.frombuffer(b"".join(digests), np.uint64))
            lengths.append(np.fromiter((len(line) for own in lines for line in own), np.int32))
            owners.append(np.repeat(places, [*map(len, lines)]))
            copies[places] = np.frombuffer(b"".join(map(_digest, digests)), np.uint64)
            says[places] = [any(phrase in _alike(text) for phrase in named) for text in texts]
        code, length, owner = np.concatenate(codes), np.concatenate(lengths), np.concatenate(owners)
        line, holder, times = _counted(code, owner, copies)
        is_shared = times >= self.texts
        in_shared = is_shared[np.searchsorted(line, code)]
        total = np.bincount(owner, length, minlength=n)
        shares = divided(np.bincount(owner, length * in_shared, minlength=n), total)
        shares[total == 0] = 0.0
        reason = np.where(says, 0, np.where(shares >= self.share, 1, -1))
        commonest = np.lexsort((line, -times))[:3]
        said = [
            f"{_read_again(candidates, int(line[at]), int(holder[at]))!r:.80} ({times[at]:,})"
            for at in commonest.tolist()
            if is_shared[at]
        ]
        return Selection(
            (reason < 0).astype(np.int64),
            value=shares,
            reason=reason,
            reasons=(PHRASE, LINES),
            notes=(f"the lines that the most texts share: {', '.join(said)}",) if said else (),
            facts={"lines": int(is_shared.sum())},
        )


def _counted(code: np.ndarray, owner: np.ndarray, copies: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the digests of the distinct lines in ascending order, a text that contains each, and the number of different texts that do, (lines,) each.

    code, owner: the digest of each line and the text that contains it, (all lines,). copies: the digest of each text, (n,).
    """
    is_first = np.zeros(len(copies), bool)
    is_first[np.unique(copies, return_index=True)[1]] = True
    of_first = is_first[owner]
    code, owner = code[of_first], owner[of_first]
    order = np.lexsort((owner, code))
    code, owner = code[order], owner[order]
    is_new = np.ones(code.size, bool)
    is_new[1:] = (code[1:] != code[:-1]) | (owner[1:] != owner[:-1])
    code, owner = code[is_new], owner[is_new]
    line, starts, times = np.unique(code, return_index=True, return_counts=True)
    return line, owner[starts], times


def _read_again(candidates: Candidates, line: int, holder: int) -> str:
    """Read the text `holder` again and return its line with the digest `line`."""
    among = np.zeros(len(candidates), bool)
    among[holder] = True
    lines = (own for _, texts in candidates.batches_of_texts(among) for text in texts for own in _lines(text))
    return next(own for own in lines if np.frombuffer(_digest(_bytes(own)), np.uint64)[0] == line)


def _lines(text: str) -> list[str]:
    """Return the normalised lines and sentences of a text."""
    return [_alike(piece) for piece in PIECES.split(text) if piece.strip()]


def _bytes(line: str) -> bytes:
    return line.encode("utf-8", "surrogatepass")


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=8).digest()


def _alike(piece: str) -> str:
    """Normalise a line: letters in lower case, white space as one space, every number as 0."""
    return re.sub(r"\d+", "0", " ".join(piece.lower().split()))
