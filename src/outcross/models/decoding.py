"""Which token comes next, and which texts stay: what every network that writes token by token shares."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from outcross.models.green import GreenLists
from outcross.models.writing import RESCORED_TOKENS

SCORES_AT_A_TIME = 2**22
"""Scores of next tokens that are worked out at a time: what a CPU keeps near."""
_GROUP = 64  # scores that are looked at together, so that a vocabulary is looked at in two levels
_LARGE = 4096  # the vocabulary from which two levels are faster than one


class Reader(Protocol):
    """A network on its way through texts, one a row. It has read everything that `read` was given, in order."""

    @property
    def vocabulary(self) -> int: ...

    def read(self, tokens: Tensor) -> Tensor:
        """Read on, (rows, t), and give the hidden state after the last token, (rows, width)."""
        ...

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of the next token in fp32, (rows, vocabulary)."""
        ...

    def follow(self, parents: Tensor) -> None:
        """Go on with these rows, (m,), any of them as often as it is named, those of one record side by side."""
        ...


class Begin(Protocol):
    """What begins to read n records of so many tokens, each to be followed by so many new tokens in at most so many texts."""

    def __call__(self, records: int, opened: int, new_tokens: int, texts: int) -> Reader: ...


class WrittenTokens(NamedTuple):
    """What a network wrote, and how probable it held some of it to be."""

    tokens: NDArray[np.int32]  # (n, new_tokens)
    scored: NDArray[np.int64]  # (m,), the rows of `tokens` that `log_probs` is about
    log_probs: NDArray[np.float32]
    """Nats of each token in those rows, (m, new_tokens): raw, before temperature, cuts, penalty and suppression."""


@dataclass(frozen=True)
class TokenLaw:
    """What is drawn from: `distribution` of `penalised` logits without the suppressed tokens."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    suppressed: Sequence[int] = ()
    """Tokens that are never written."""
    marks: GreenLists | None = None
    """The watermark that is left."""

    def __post_init__(self):
        check_draw(self.temperature, self.top_k, self.top_p)


def rows_to_score(n: int, new_tokens: int) -> NDArray[np.int64]:
    """Rows of n texts, evenly spread, that together hold at least RESCORED_TOKENS new tokens; all rows where there are fewer."""
    wanted = min(n, math.ceil(RESCORED_TOKENS / max(1, new_tokens)))
    return np.arange(wanted, dtype=np.int64) * n // max(1, wanted)


def write(
    begin: Begin, opened: Tensor, new_tokens: int, law: TokenLaw, *, rng: np.random.Generator, batch: int, device: torch.device
) -> WrittenTokens:
    """Go on after each row of what was opened, (n, opened), by `new_tokens` tokens that are drawn from the law; `batch` rows at a time.

    Random numbers are drawn for all rows before the first, so that `batch` changes none of them; temperature 0 draws none.
    """
    n = len(opened)
    uniforms = None if law.temperature == 0 else rng.random((new_tokens, n))
    scored = rows_to_score(n, new_tokens)
    tokens, nats = np.empty((n, new_tokens), dtype=np.int32), np.empty((len(scored), new_tokens), dtype=np.float32)
    for first in range(0, n, batch):
        rows = slice(first, min(first + batch, n))
        text = _room(opened[rows], new_tokens, device)
        here = (scored >= rows.start) & (scored < rows.stop)
        drawn = None if uniforms is None else torch.from_numpy(uniforms[:, rows]).to(device)
        reader, asked = begin(len(text), opened.shape[1], new_tokens, 1), torch.from_numpy(scored[here] - first).to(device)
        nats[here] = _write(reader, text, opened.shape[1], law, drawn, asked).cpu().numpy()
        tokens[rows] = text[:, opened.shape[1] :].int().cpu().numpy()
    return WrittenTokens(tokens, scored, nats)


def search(
    begin: Begin, opened: Tensor, new_tokens: int, beams: int, law: TokenLaw, *, batch: int, device: torch.device
) -> WrittenTokens:
    """Go on after each row of what was opened, (n, opened), by the likeliest `new_tokens` tokens that a search of this width finds.

    `batch` texts are held at a time, the beams of a record among them.
    """
    if beams < 1:
        raise ValueError(f"beams must be at least 1, got {beams}")
    n, records = len(opened), max(1, batch // beams)
    tokens, nats = np.empty((n, new_tokens), dtype=np.int32), np.empty((n, new_tokens), dtype=np.float32)
    for first in range(0, n, records):
        rows = slice(first, first + records)
        text = _room(opened[rows], new_tokens, device)
        best, raw = _search(begin(len(text), opened.shape[1], new_tokens, beams), text, opened.shape[1], beams, law)
        tokens[rows], nats[rows] = best[:, opened.shape[1] :].int().cpu().numpy(), raw.cpu().numpy()
    scored = rows_to_score(n, new_tokens)
    return WrittenTokens(tokens, scored, nats[scored])


def _room(opened: Tensor, new_tokens: int, device: torch.device) -> Tensor:
    """What was opened, with room behind it for what is written, (n, opened + new)."""
    return F.pad(opened, (0, new_tokens)).to(device)


def _write(reader: Reader, text: Tensor, opened: int, law: TokenLaw, uniforms: Tensor | None, scored: Tensor) -> Tensor:
    """Fill text (n, opened + new) behind its first `opened` tokens; give the raw nats of what is new in the rows `scored`, (m, new).

    Uniforms are (new, n); without them each token is the likeliest.
    """
    nats = torch.zeros(len(scored), text.shape[1] - opened, device=text.device)
    suppressed = torch.tensor(law.suppressed, dtype=torch.int64, device=text.device)
    start = 0
    for end in range(opened, text.shape[1]):
        hidden = reader.read(text[:, start:end])
        for rows in _few_at_a_time(reader, hidden):
            logits = reader.logits(hidden[rows])
            here = torch.nonzero((scored >= rows.start) & (scored < rows.stop))[:, 0]
            raw = logits[scored[here] - rows.start].log_softmax(-1)
            scores = penalised(logits, text[rows, :end], law.repetition_penalty).index_fill_(1, suppressed, -math.inf)
            if uniforms is None:
                text[rows, end] = likeliest(scores)
            else:
                if law.marks is not None:
                    green = torch.from_numpy(law.marks.after(text[rows, end - 1].cpu().numpy())).to(device=scores.device)
                    scores = (
                        scores + law.temperature * law.marks.bias * green
                    )  # in logits after the temperature, as transformers adds it
                probabilities = distribution(scores, law.temperature, law.top_k, law.top_p)
                text[rows, end] = draw(probabilities, uniforms[end - opened, rows])
            nats[here, end - opened] = raw.gather(1, text[scored[here], end, None])[:, 0]
        start = end
    return nats


def _search(reader: Reader, text: Tensor, opened: int, beams: int, law: TokenLaw) -> tuple[Tensor, Tensor]:
    """The text that a search of this width finds likeliest for each record of text (n, opened + new), and the raw nats of what is new, (n, new).

    Row i · beams + j of all that is held on the way is beam j of record i, the best first.
    """
    n, new = len(text), text.shape[1] - opened
    suppressed = torch.tensor(law.suppressed, dtype=torch.int64, device=text.device)
    totals, nats = torch.zeros(n, 1, device=text.device), torch.zeros(n, new, device=text.device)
    start = 0
    for end in range(opened, text.shape[1]):
        hidden = reader.read(text[:, start:end])
        few = [
            _continuations(reader.logits(hidden[rows]), text[rows, :end], beams, law.repetition_penalty, suppressed)
            for rows in _few_at_a_time(reader, hidden)
        ]
        added, tokens, raw = (torch.cat(parts) for parts in zip(*few, strict=True))
        totals, places = _best(totals, added, beams)
        parents = (torch.arange(n, device=places.device)[:, None] * (len(text) // n) + places // added.shape[1]).flatten()
        reader.follow(parents)
        text, nats = text[parents], nats[parents]
        text[:, end], nats[:, end - opened] = (
            part.unflatten(0, (n, -1)).flatten(1).gather(1, places).flatten() for part in (tokens, raw)
        )
        start = end
    return text.unflatten(0, (n, -1))[:, 0], nats.unflatten(0, (n, -1))[:, 0]


def _continuations(logits: Tensor, text: Tensor, beams: int, penalty: float, suppressed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The best ways to go on with each text, (rows, beams or all tokens): what each adds to the total, its token, its raw nats."""
    raw = logits.log_softmax(-1)
    scores = penalised(raw, text, penalty).index_fill_(1, suppressed, -math.inf)
    added, tokens = top(scores, min(beams, scores.shape[1]))  # a record's best texts are among the best of each of its beams
    return added, tokens, raw.gather(1, tokens)


def _best(totals: Tensor, added: Tensor, beams: int) -> tuple[Tensor, Tensor]:
    """The best texts one token longer, (n, kept): their totals, and their places among all continuations of their record.

    `totals` are those of the texts so far, (n, held), `added` what their continuations would add, (n · held, each).
    """
    candidates = (totals[:, :, None] + added.unflatten(0, totals.shape)).flatten(1)
    ranked = candidates.sort(dim=1, descending=True, stable=True)
    return ranked.values[:, :beams], ranked.indices[:, :beams]


def _few_at_a_time(reader: Reader, hidden: Tensor) -> Iterator[slice]:
    rows = max(1, SCORES_AT_A_TIME // reader.vocabulary)
    for first in range(0, len(hidden), rows):
        yield slice(first, min(first + rows, len(hidden)))


def penalised(scores: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    """Scores (n, vocabulary) of the next token, those of the tokens (n, t) already there held back.

    Divided by the penalty where above 0 and multiplied where below: Keskar et al. (arXiv 1909.05858), whose formula divides alone, as it is in use.
    """
    if penalty == 1:
        return scores
    there = scores.gather(1, tokens)
    return scores.scatter(1, tokens, torch.where(there > 0, there / penalty, there * penalty))


def distribution(logits: Tensor, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> Tensor:
    """Probabilities of the next token: what is drawn from, and the only definition of it.

    Logits are (…, vocabulary), fp32. First the temperature (0: all mass on the likeliest token), then the `top_k`
    likeliest (0: all), then the nucleus, the fewest likeliest tokens that hold at least `top_p` of what is left
    (1: all; Holtzman et al. 2020). Of equally likely tokens the lower number is kept.
    """
    check_draw(temperature, top_k, top_p)
    if temperature == 0:
        return torch.zeros_like(logits).scatter_(-1, likeliest(logits)[..., None], 1.0)
    probabilities = torch.softmax(logits.float() if temperature == 1 else logits.float() / temperature, dim=-1)
    vocabulary = logits.shape[-1]
    is_cut = 0 < top_k < vocabulary
    if not is_cut and top_p == 1:
        return probabilities
    ranked = _descending(probabilities)
    counts = torch.full_like(ranked[..., :1], top_k if is_cut else vocabulary, dtype=torch.int64)
    if top_p < 1:
        mass = ranked.cumsum(-1, dtype=torch.float64)
        needed = top_p * mass.gather(-1, counts - 1)
        counts = torch.minimum(counts, (mass < needed).sum(-1, keepdim=True) + 1)
    kept = torch.where(_first(probabilities, ranked, counts), probabilities, 0.0)
    return kept / kept.sum(-1, keepdim=True)


def check_draw(temperature: float, top_k: int, top_p: float) -> None:
    """Refuse settings that define no distribution."""
    if not 0 <= temperature < float("inf"):
        raise ValueError(f"temperature must be 0 (greedy) or a finite number above it, got {temperature}")
    if top_k < 0:
        raise ValueError(f"top_k must be 0 (off) or more, got {top_k}")
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p must be in (0, 1], got {top_p}; 1 is off")


def draw(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """One token a row of (n, vocabulary), by inverting the cumulative distribution at uniforms (n,) in [0, 1).

    Exact to float64. First the group of tokens is found in the sums of groups, then the token in its group: 60 times faster on a CPU than
    one cumulative sum over 50,000 tokens. A token of probability zero is never drawn: the first place where a cumulative sum exceeds a
    number below its total is a step up. (torch.multinomial is thirty times slower on a CPU.)
    """
    probabilities = F.pad(probabilities, (0, -probabilities.shape[1] % _GROUP))
    groups = probabilities.unflatten(1, (-1, _GROUP))
    sums = groups.sum(-1, dtype=torch.float64).cumsum(-1)
    group, heights = _step(sums, uniforms[:, None] * sums[:, -1:])
    below = sums.gather(1, group - 1 + (group == 0)).masked_fill(group == 0, 0.0)
    within = groups.gather(1, group[:, :, None].expand(-1, -1, _GROUP))[:, 0].cumsum(-1, dtype=torch.float64)
    place, _ = _step(within, heights - below)
    return (group * _GROUP + place)[:, 0]


def _step(cumulative: Tensor, heights: Tensor) -> tuple[Tensor, Tensor]:
    """The first place of each row where a cumulative sum exceeds the height, (n, 1), which is brought below the total."""
    total = cumulative[:, -1:]
    heights = torch.minimum(heights, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, heights, right=True), heights


def likeliest(logits: Tensor) -> Tensor:
    """The likeliest token; the lowest number of equals (torch.argmax promises none)."""
    is_highest = logits == logits.amax(-1, keepdim=True)
    places = torch.arange(logits.shape[-1], device=logits.device)
    return torch.where(is_highest, places, logits.shape[-1]).amin(-1)


def top(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k highest scores of each row of (n, vocabulary) and their tokens, in falling order.

    In a large vocabulary the highest tokens stand in the groups with the highest tokens, which are found seven times faster.
    """
    groups = scores.shape[1] // _GROUP
    if scores.shape[1] < _LARGE or scores.shape[1] % _GROUP or k > groups // 8 or scores.device.type != "cpu":
        highest = scores.topk(k, dim=1)
        return highest.values, highest.indices
    grouped = scores.unflatten(1, (groups, _GROUP))
    chosen = grouped.amax(-1).topk(k, dim=1).indices.sort(dim=1).values
    highest = grouped.gather(1, chosen[:, :, None].expand(-1, -1, _GROUP)).flatten(1).topk(k, dim=1)
    return highest.values, chosen.gather(1, highest.indices // _GROUP) * _GROUP + highest.indices % _GROUP


def _descending(probabilities: Tensor) -> Tensor:
    if probabilities.device.type != "cpu":
        return probabilities.sort(dim=-1, descending=True).values
    ascending = np.sort(probabilities.numpy(), axis=-1)  # AVX-512: thirty times faster than torch's
    return torch.from_numpy(np.ascontiguousarray(ascending[..., ::-1]))


def _first(probabilities: Tensor, ranked: Tensor, counts: Tensor) -> Tensor:
    """Which tokens are among the `counts` likeliest, (…, vocabulary); the lower number first among equals."""
    last = ranked.gather(-1, counts - 1)
    is_above, is_equal = probabilities > last, probabilities == last
    free = counts - is_above.sum(-1, keepdim=True)
    return is_above | (is_equal & (is_equal.cumsum(-1) <= free))
