"""The work of `detect`: calibrate a detector on samples of known authors, then read the data once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.detectors import Detector
from outcross.detectors.calibrated import FEWEST, FOLDS, LENGTHS, AuthorTexts, CalibratedDetector, calibrated, fold_of
from outcross.detectors.features import frequent_words
from outcross.detectors.lengths import cut_words, words_of
from outcross.detectors.samples import (
    LEAST,
    CalibrationSample,
    batches,
    grouped,
    linking_column,
    opened,
    telling_columns,
    text_column,
)
from outcross.errors import BadInput
from outcross.statistics.false_alarms import least_sample, weight_above
from outcross.text.normalised import normalised
from outcross.verbs.detect.origins import COLUMNS, Declarations, Declaring
from outcross.verbs.detect.unlike import common_shares, control_area, lengths_alone, plain_features, signs_alone

if TYPE_CHECKING:
    import polars

TOGETHER = 1 << 21
"""Characters of texts that are scored together."""
MOST_PLAIN = 10_000
"""Texts of the data whose plain features are kept, about, for the test that they are of the calibrated kind; of more those whose digest a power of two divides."""
ENOUGH_WORDS = 25
"""Words of a text from which on its language is looked at."""
UNUSUAL = 0.01
"""The share of calibration texts that hold as few frequent words as a text that is held to be of another language."""
LENGTHS_ALONE, SIGNS_ALONE = "length alone", "punctuation and white space alone"
"""The names of the control detectors."""
MOST_VALUES = 200
"""Different values of a column of --by."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Detectors of models (and of editors) against people, after samples of them."""

    samples: tuple[CalibrationSample, ...]
    """Of people first."""
    folds: np.ndarray
    """The fold of each group."""
    detectors: tuple[CalibratedDetector, ...]
    """One for each sample but the first."""
    ratios: tuple[tuple[np.ndarray, ...], ...]
    """By detector and sample: the log-ratio of each text, by a detector that did not see its group."""
    frequent: tuple[str, ...]
    controls: dict[str, float]
    """Areas under the ROC curve of detectors that read no word."""
    telling: tuple[str, ...]
    """Columns that tell the author perfectly."""
    linking: str
    """A column whose values link texts of both samples, where no column of groups was named; empty where there is none."""
    least_common: float
    """The share of frequent words below which so few calibration texts are that a text is held to be of another language."""

    @property
    def human(self) -> CalibrationSample:
        return self.samples[0]

    def fold_of(self, sample: int) -> np.ndarray:
        return self.folds[self.samples[sample].groups]

    def human_groups(self, rows: np.ndarray) -> int:
        """How many groups some of the human texts are of."""
        return int(np.unique(self.human.groups[rows]).size)

    def lengths(self, rate: float) -> tuple[int, ...]:
        """The lengths at which the human sample allows a threshold at this rate."""
        return tuple(length for length in LENGTHS if self.human_groups(self.detectors[0].excerpts[length][1]) >= least_sample(rate))

    def chances(self, ratios: np.ndarray, length: int) -> np.ndarray:
        """The share of human excerpts of this length that look at least as much like a model's, each fold's by its own detector. ratios: (n, folds). Returns (n,).

        A group of texts counts as one.
        """
        excerpts, rows = self.detectors[0].excerpts[length]
        weights = _group_weights(self.human.groups[rows])
        fold = self.fold_of(0)[rows]
        above = np.zeros(len(ratios))
        for number in range(ratios.shape[1]):
            own = fold == number
            above += weight_above(ratios[:, number], excerpts[own], weights[own])
        return (above + 1.0) / (float(weights.sum()) + 1.0)


def _group_weights(groups: np.ndarray) -> np.ndarray:
    """One over the size of each text's group."""
    _, own, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return 1.0 / sizes[own]


@dataclass(frozen=True, eq=False)
class ReadTexts:
    """What was read of the data: a row a text."""

    words: np.ndarray
    """(n,)"""
    ratios: np.ndarray
    """(n, detectors, folds) of log-ratios; NaN where the text is too short or the detector abstains."""
    chance: np.ndarray
    """(n,): of the excerpt that is judged, the share of human ones that look at least as much like a model's; NaN where it cannot be told."""
    values: dict[str, tuple[np.ndarray, list[str]]]
    """By column of --by: the code of each text's value, and the values."""
    plain_rows: np.ndarray
    """Rows of the texts whose plain features were read, (m,)."""
    plain: np.ndarray
    """(m, features)"""
    groups: np.ndarray
    """(n,): equal for texts that are not independent: equal ones, or those of one value of the column of --group."""
    invisible: int
    lookalikes: int
    declared: Declarations | None = None
    """What the columns `_origin` and `_model` say; None where the data have neither."""
    is_foreign: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    """Whether each text has `ENOUGH_WORDS` words or more and hardly any frequent word of the calibration samples, (n,): another language, or another vocabulary."""

    def __len__(self) -> int:
        return self.words.size

    @property
    def is_judged(self) -> np.ndarray:
        """Whether each text is long enough, and the detector does not abstain, (n,)."""
        return np.asarray(np.isfinite(self.ratios).all(axis=(1, 2)))


def calibration(detector: Detector, samples: Sequence[CalibrationSample], group: str | None, seed: int) -> Calibration:
    """Detectors after samples of people and of others. BadInput where a sample is too small."""
    from dataclasses import replace

    groups = grouped(samples, group)
    bounds = np.cumsum([0, *(len(sample.texts) for sample in samples)])
    own = [replace(sample, groups=groups[first:end]) for sample, first, end in zip(samples, bounds[:-1], bounds[1:], strict=True)]
    for sample, flag in zip(own, ("--human", "--ai", "--edited"), strict=False):
        if (count := int(np.unique(sample.groups).size)) < FEWEST:
            raise BadInput(
                f"{flag} has {count:,} independent texts of {LEAST} words or more, and at least {FEWEST} are needed; add texts"
            )
    streams = np.random.default_rng(np.random.SeedSequence([seed, 0x0DE7EC7])).spawn(1 + len(own))
    folds = fold_of(np.arange(int(groups.max()) + 1), streams[0], FOLDS)
    every = [text for sample in own for text in sample.texts]
    reader = detector.reader(every)
    detectors, ratios = [], []
    for number in range(1, len(own)):
        order = [own[0], own[number], *(sample for other, sample in enumerate(own) if other not in (0, number))]
        fitted, own_ratios = calibrated(
            detector, [AuthorTexts(sample.texts, sample.groups) for sample in order], folds, reader, streams[number]
        )
        back = [next(at for at, sample in enumerate(order) if sample is wanted) for wanted in own]
        detectors.append(fitted)
        ratios.append(tuple(own_ratios[at] for at in back))
    raw = [text for sample in own[:2] for text in sample.raw]
    is_model = np.arange(len(raw)) >= len(own[0].raw)
    fold = folds[np.concatenate([sample.groups for sample in own[:2]])]
    return Calibration(
        tuple(own), folds, tuple(detectors), tuple(ratios), frequent_words(every),
        {
            LENGTHS_ALONE: control_area(lengths_alone(raw), is_model, fold),
            SIGNS_ALONE: control_area(signs_alone(raw), is_model, fold),
        },
        tuple(telling_columns(own)), "" if group else linking_column(own), _least_common(own, frequent_words(every)),
    )  # fmt: skip


def _least_common(samples: Sequence[CalibrationSample], frequent: Sequence[str]) -> float:
    """The quantile `UNUSUAL` of the share of frequent words, over calibration texts that are long enough."""
    long = [
        text for sample in samples for text, words in zip(sample.texts, sample.words.tolist(), strict=True) if words >= ENOUGH_WORDS
    ]
    return float(np.quantile(common_shares(long, frequent), UNUSUAL)) if long else 0.0


def read_texts(
    data: Any, calibrated: Calibration, asked: str | None, by: Sequence[str], rate: float, group: str | None = None
) -> ReadTexts:
    """Every text of the data, batch by batch; where they have the column `group`, texts of one value of it are one group. BadInput where the data cannot be read, or lack a column."""
    source = opened(data, "data")
    column = text_column(source, asked, "data")
    for name in by:
        if name not in source.columns:
            from outcross.recipe import nearest

            raise BadInput(
                f"--by: the data have no column {name!r}{nearest(name, source.columns)}; they have {', '.join(source.columns)[:200]}"
            )
    parts: list[_Part] = []
    lengths = calibrated.lengths(rate)
    values = {name: _Values(name) for name in by}
    kept = _Kept(calibrated.frequent)
    columns, declaring = [name for name in COLUMNS if name in source.columns], Declaring()
    grouping = [group] if group is not None and group in source.columns else []
    groups: list[np.ndarray] = []
    for batch in batches(source, column, (*by, *columns, *grouping)):
        if columns:
            declaring.add(batch)
        codes = {name: values[name].codes(batch[name]) for name in by}
        for first, end in _slices(batch[column].to_list()):
            raw = batch[column].slice(first, end - first).to_list()
            parts.append(_read(raw, calibrated, lengths, {name: own[first:end] for name, own in codes.items()}, kept))
            named = [batch[name].slice(first, end - first).to_list() for name in grouping]
            groups.append(_groups_of(named[0], parts[-1].digests) if named else parts[-1].digests)
    if not parts:
        raise BadInput("data hold no text; they are empty")
    return ReadTexts(
        np.concatenate([part.words for part in parts]), np.concatenate([part.ratios for part in parts]),
        np.concatenate([part.chance for part in parts]),
        {name: (np.concatenate([part.codes[name] for part in parts]), values[name].names) for name in by},
        np.array([row for row, _, _ in kept.texts], np.int64), np.array([features for _, _, features in kept.texts]),
        np.concatenate(groups),
        sum(part.invisible for part in parts), sum(part.lookalikes for part in parts), declaring.whole if columns else None,
        np.concatenate([part.is_foreign for part in parts]),
    )  # fmt: skip


@dataclass
class _Part:
    words: np.ndarray
    ratios: np.ndarray
    chance: np.ndarray
    codes: dict[str, np.ndarray]
    digests: np.ndarray
    invisible: int
    lookalikes: int
    is_foreign: np.ndarray


@dataclass
class _Values:
    """The values of a column as numbers, in the order in which they come."""

    column: str
    names: list[str] = field(default_factory=list)
    known: dict[str, int] = field(default_factory=dict)

    def codes(self, column: polars.Series) -> np.ndarray:
        said = ["missing" if value is None else str(value) for value in column.to_list()]
        for value in said:
            if value not in self.known:
                if len(self.names) == MOST_VALUES:
                    raise BadInput(
                        f"--by {self.column}: the column has more than {MOST_VALUES} different values; give one with fewer"
                    )
                self.known[value] = len(self.names)
                self.names.append(value)
        return np.array([self.known[value] for value in said], np.int32)


@dataclass
class _Kept:
    """Plain features of some texts, chosen by their digests, so that neither order nor number decides which."""

    frequent: tuple[str, ...]
    texts: list[tuple[int, int, np.ndarray]] = field(default_factory=list)
    """The row, the digest and the features of each."""
    every: int = 1
    rows: int = 0
    """Texts read so far."""

    def add(self, texts: Sequence[str], at: np.ndarray, digests: np.ndarray, rows: int) -> None:
        """Texts in the form that detectors read, where each stands among the next `rows` of the data, and the digest of each."""
        own = np.flatnonzero(digests % self.every == 0).tolist()
        features = plain_features([texts[row] for row in own], self.frequent)
        self.texts += [(self.rows + int(at[row]), int(digests[row]), feature) for row, feature in zip(own, features, strict=True)]
        self.rows += rows
        while len(self.texts) > 2 * MOST_PLAIN:
            self.every *= 2
            self.texts = [text for text in self.texts if text[1] % self.every == 0]


def _slices(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Runs of texts of some `TOGETHER` characters together."""
    first, size = 0, 0
    for row, text in enumerate(texts):
        size += len(text)
        if size >= TOGETHER:
            yield first, row + 1
            first, size = row + 1, 0
    if first < len(texts):
        yield first, len(texts)


def _read(raw: list[str], calibrated: Calibration, lengths: Sequence[int], codes: dict[str, np.ndarray], kept: _Kept) -> _Part:
    form = normalised(raw)
    words = words_of(form.strings)
    digests = np.fromiter((_digest(text) for text in form.strings), np.int64, len(raw))
    long = np.flatnonzero(words >= LEAST)
    texts = [form.strings[row] for row in long.tolist()]
    ratios = np.full((len(raw), len(calibrated.detectors), FOLDS), np.nan, np.float32)
    chance = np.full(len(raw), np.nan, np.float32)
    if long.size:
        for number, detector in enumerate(calibrated.detectors):
            ratios[long, number] = detector.log_ratios(texts)
        reach = np.searchsorted(lengths, words[long], side="right") - 1
        for at, length in enumerate(lengths):
            rows = np.flatnonzero(reach == at)
            if rows.size:
                cut = calibrated.detectors[0].log_ratios(cut_words([texts[row] for row in rows.tolist()], length))
                chance[long[rows]] = calibrated.chances(cut, length)
    able = np.flatnonzero(words >= ENOUGH_WORDS)
    is_foreign = np.zeros(len(raw), bool)
    is_foreign[able] = common_shares([form.strings[row] for row in able.tolist()], calibrated.frequent) < calibrated.least_common
    kept.add(texts, long, digests[long], len(raw))
    return _Part(words, ratios, chance, codes, digests, int(form.has_invisible.sum()), int(form.has_lookalikes.sum()), is_foreign)


def _groups_of(values: Sequence[Any], digests: np.ndarray) -> np.ndarray:
    """A number for each value of the column of groups; a text without a value is one by itself."""
    return np.array(
        [digest if value is None else -1 - _digest(str(value)) for value, digest in zip(values, digests.tolist(), strict=True)],
        np.int64,
    )


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")
