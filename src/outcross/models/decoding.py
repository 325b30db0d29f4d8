"""Choice of the next token and of the best texts, for all networks that write token by token."""

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
"""Number of logits that are computed at a time, few enough for the cache of a CPU."""
_GROUP = 64  # size of a group of tokens, by which a vocabulary is searched in two levels
_LARGE = 4096  # size of the vocabulary from which two levels are faster than one


class Reader(Protocol):
    """A network that reads several texts, one per row. Its state covers all tokens that `read` has received, in order."""

    @property
    def vocabulary(self) -> int: ...

    def read(self, tokens: Tensor) -> Tensor:
        """Read the next tokens (rows, t), and return the hidden state after the last token, (rows, width)."""
        ...

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the logits of the next token in fp32, (rows, vocabulary)."""
        ...

    def follow(self, parents: Tensor) -> None:
        """Continue with the rows whose numbers are `parents`, (m,). A row may occur several times. Rows of one record must be adjacent."""
        ...


class Begin(Protocol):
    """A function that starts to read records of `opened` tokens each.

    Each record is followed by `new_tokens` new tokens, in at most `texts` alternative texts.
    """

    def __call__(self, records: int, opened: int, new_tokens: int, texts: int) -> Reader: ...


class WrittenTokens(NamedTuple):
    """The tokens that a network wrote, and log-probabilities of some of them."""

    tokens: NDArray[np.int32]  # (n, new_tokens)
    scored: NDArray[np.int64]  # (m,), the rows of `tokens` that have `log_probs`
    log_probs: NDArray[np.float32]
    """Log-probability of each token in those rows in nats, (m, new_tokens), before temperature, cuts, penalty and suppression."""


@dataclass(frozen=True)
class TokenLaw:
    """The settings of the law that tokens are drawn from: `distribution` of the `penalised` logits without the suppressed tokens."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    suppressed: Sequence[int] = ()
    """Tokens that are never written."""
    marks: GreenLists | None = None
    """The green lists of the watermark; None for text without a watermark."""

    def __post_init__(self):
        check_draw(self.temperature, self.top_k, self.top_p)


def rows_to_score(n: int, new_tokens: int) -> NDArray[np.int64]:
    """Return evenly spaced rows of n texts that together have at least RESCORED_TOKENS new tokens; all rows if there are fewer tokens."""
    wanted = min(n, math.ceil(RESCORED_TOKENS / max(1, new_tokens)))
    return np.arange(wanted, dtype=np.int64) * n // max(1, wanted)


def write(
    begin: Begin, opened: Tensor, new_tokens: int, law: TokenLaw, *, rng: np.random.Generator, batch: int, device: torch.device
) -> WrittenTokens:
    """Continue each row of `opened` (n, tokens) by `new_tokens` tokens that are drawn from the law, `batch` rows at a time.

    The random numbers of all rows are drawn in advance, so `batch` does not change them. Temperature 0 draws none.
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
    """Continue each row of `opened` (n, tokens) by the likeliest `new_tokens` tokens that a search of width `beams` finds.

    `batch` is the number of texts that are processed at a time, where every beam of a record counts as a text.
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
    """Return the opened tokens, padded with room for the new tokens, (n, opened + new)."""
    return F.pad(opened, (0, new_tokens)).to(device)


def _write(reader: Reader, text: Tensor, opened: int, law: TokenLaw, uniforms: Tensor | None, scored: Tensor) -> Tensor:
    """Fill `text` (n, opened + new) in place after its first `opened` tokens.

    Returns the unmodified log-probabilities in nats of the new tokens in the rows `scored`, (m, new). `uniforms` are (new, n); without them
    each token is the likeliest.
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
                    )  # transformers adds the bias to the logits after the temperature.
                probabilities = distribution(scores, law.temperature, law.top_k, law.top_p)
                text[rows, end] = draw(probabilities, uniforms[end - opened, rows])
            nats[here, end - opened] = raw.gather(1, text[scored[here], end, None])[:, 0]
        start = end
    return nats


def _search(reader: Reader, text: Tensor, opened: int, beams: int, law: TokenLaw) -> tuple[Tensor, Tensor]:
    """Return the likeliest text of each record (n, opened + new) that a search of width `beams` finds.

    Also returns the unmodified log-probabilities in nats of its new tokens, (n, new). During the search row i · beams + j is beam j of
    record i, the best beam first.
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
    """Return the best next tokens of each text, (rows, beams or all tokens).

    For each there are its penalised score, its token number and its unmodified log-probability in nats.
    """
    raw = logits.log_softmax(-1)
    scores = penalised(raw, text, penalty).index_fill_(1, suppressed, -math.inf)
    added, tokens = top(scores, min(beams, scores.shape[1]))  # a record's best texts are among the best of each of its beams
    return added, tokens, raw.gather(1, tokens)


def _best(totals: Tensor, added: Tensor, beams: int) -> tuple[Tensor, Tensor]:
    """Return the scores of the best texts that are one token longer, (n, kept), and their places among all continuations of their record.

    `totals` are the scores of the present texts, (n, texts). `added` are the scores of their continuations, (n · texts, continuations).
    """
    candidates = (totals[:, :, None] + added.unflatten(0, totals.shape)).flatten(1)
    ranked = candidates.sort(dim=1, descending=True, stable=True)
    return ranked.values[:, :beams], ranked.indices[:, :beams]


def _few_at_a_time(reader: Reader, hidden: Tensor) -> Iterator[slice]:
    rows = max(1, SCORES_AT_A_TIME // reader.vocabulary)
    for first in range(0, len(hidden), rows):
        yield slice(first, min(first + rows, len(hidden)))


def penalised(scores: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    """Return the scores (n, vocabulary) of the next token, with a penalty on the tokens (n, t) that already occur.

    Positive scores are divided by the penalty, negative scores are multiplied by it. This is the form in use of Keskar et al.
    (arXiv 1909.05858), whose formula only divides.
    """
    if penalty == 1:
        return scores
    there = scores.gather(1, tokens)
    return scores.scatter(1, tokens, torch.where(there > 0, there / penalty, there * penalty))


def distribution(logits: Tensor, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> Tensor:
    """Return the probabilities of the next token that sampling uses. All samplers share this definition.

    Logits are (…, vocabulary), fp32. First the temperature applies (0: all mass on the likeliest token), then the cut to the `top_k`
    likeliest tokens (0: all), then the nucleus: the smallest set of likeliest tokens with at least `top_p` of the remaining mass
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
    """Raise ValueError for settings that define no distribution."""
    if not 0 <= temperature < float("inf"):
        raise ValueError(f"temperature must be 0 (greedy) or a finite number above it, got {temperature}")
    if top_k < 0:
        raise ValueError(f"top_k must be 0 (off) or more, got {top_k}")
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p must be in (0, 1], got {top_p}; 1 is off")


def draw(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """Draw one token per row of (n, vocabulary), by inversion of the cumulative distribution at uniforms (n,) in [0, 1).

    The result is exact to float64. First the group of tokens is located in the sums of groups, then the token in its group. This is 60 times
    faster on a CPU than one cumulative sum over 50,000 tokens, and thirty times faster than torch.multinomial. A token of probability zero is
    never drawn, because the first place where a cumulative sum exceeds a number below its total is a step up.
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
    """Return, for each row, the first place at which the cumulative sum exceeds the height (n, 1), and the height, limited to below the total."""
    total = cumulative[:, -1:]
    heights = torch.minimum(heights, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, heights, right=True), heights


def likeliest(logits: Tensor) -> Tensor:
    """Return the likeliest token, the lowest number of equals (torch.argmax does not promise this)."""
    is_highest = logits == logits.amax(-1, keepdim=True)
    places = torch.arange(logits.shape[-1], device=logits.device)
    return torch.where(is_highest, places, logits.shape[-1]).amin(-1)


def top(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k highest scores of each row of (n, vocabulary) and their tokens, in descending order.

    In a large vocabulary the groups with the highest maxima contain the highest scores. Searching these groups only is seven times faster.
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
    ascending = np.sort(probabilities.numpy(), axis=-1)  # NumPy sorts with AVX-512, thirty times faster than torch.
    return torch.from_numpy(np.ascontiguousarray(ascending[..., ::-1]))


def _first(probabilities: Tensor, ranked: Tensor, counts: Tensor) -> Tensor:
    """Whether each token is among the `counts` likeliest, (…, vocabulary). Among equals the lower number comes first."""
    last = ranked.gather(-1, counts - 1)
    is_above, is_equal = probabilities > last, probabilities == last
    free = counts - is_above.sum(-1, keepdim=True)
    return is_above | (is_equal & (is_equal.cumsum(-1) <= free))
