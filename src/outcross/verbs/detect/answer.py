"""The function `detect`, which estimates the share of each author in texts of unknown authors."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from outcross import own_parts, own_source
from outcross.detectors import DETECTORS, Detector
from outcross.detectors.calibrated import FEWEST
from outcross.detectors.declared import DeclaredDetector
from outcross.detectors.given import GivenDetector
from outcross.detectors.records import TypedRecords
from outcross.detectors.samples import LEAST, MOST, words_of_column
from outcross.detectors.samples import calibration as sample_of
from outcross.detectors.watermark import WatermarkDetector
from outcross.errors import BadInput
from outcross.estimate import Estimate, NotApplicable, rounded
from outcross.files import names
from outcross.files.plain_yaml import read as read_yaml
from outcross.ledger import results
from outcross.recipe import kind, name_in_records, plain, read
from outcross.runtime import Where
from outcross.runtime.threads import one_thread_each
from outcross.statistics.false_alarms import least_sample, realised
from outcross.statistics.prediction import area_under_the_curve
from outcross.statistics.rates import exact_ends
from outcross.verbs.asking import asks, check_workers
from outcross.verbs.audit.question import words_of
from outcross.verbs.detect.declared import contradicted, declared_share
from outcross.verbs.detect.of_records import OPTIONS, detector_of_records, record_sets
from outcross.verbs.detect.origins import MODEL, MOST_MODELS
from outcross.verbs.detect.question import DetectQuestion
from outcross.verbs.detect.reading import JudgedData, asked_records, asked_texts, judged_data
from outcross.verbs.detect.result import FILE, RECORDS, Detection, Flags, ShareIfGenerator, SliceOfData, SliceOfHuman
from outcross.verbs.detect.shares import RATE, MixtureRows, Shares, checked_rate, counted, fits, posteriors, shares
from outcross.verbs.detect.slicing import slices_of
from outcross.verbs.detect.unlabelled import data_sample, least_share, records_sample
from outcross.verbs.detect.weights import weights
from outcross.verbs.detect.work import ENOUGH_WORDS, LENGTHS_ALONE, SIGNS_ALONE, UNUSUAL, Calibration, calibration
from outcross.verbs.run.of_users import said_of, within
from outcross.wording import amount

HIT_RATES = (0.01, 0.05)
"""False-positive rates for which the share of detected texts is given."""
STRONG = 0.8
"""Area under the ROC curve of a detector that reads no words, from which on the samples count as differently processed."""
REMEDIES = {
    LENGTHS_ALONE: "Detectors see lengths; give samples of equal lengths.",
    SIGNS_ALONE: "Detectors read normalised texts, without most of these signs, so this is only a remark on the samples and needs no action.",
}
"""Advice for each control detector that distinguishes the samples."""
NO_SHARE = "no share, because the data are unlike both calibration samples"
BINS = 30
MOST_COLUMNS = 10
"""Maximum number of columns that tell the author and are named."""
CHANCE = 1e-4
"""A warning about texts of another language appears if their number has a smaller probability than this among texts of the samples' kind."""


@one_thread_each()
def detected(question: DetectQuestion) -> Detection:
    """Calibrate on the samples, read the data, and estimate the share of each author. Raises BadInput if data cannot be read or are too small."""
    _check(question)
    own_parts.load(question.imports)
    detector = detector_of(question.detector)
    with own_parts.blaming():
        return _detected(question, detector)


def _detected(question: DetectQuestion, detector: Detector) -> Detection:
    by = tuple(dict.fromkeys(words_of(question.by or "")))
    if question.by and not by:
        raise BadInput(f"--by {question.by} names no column; write for example --by language,source")
    if (alone := _without_people(question, detector, by)) is not None:
        result = alone
    elif question.fpr * (MOST + 1) < 1:
        raise BadInput(
            f"--fpr {question.fpr:g} needs more than {MOST:,} human texts, but at most as many are read; give a rate of at least {1 / (MOST + 1):.1g}"
        )
    elif by and question.ai is None:
        raise BadInput(
            "--by needs --ai, because a slice of the data has no share without a sample of a model's texts; give --ai, or leave --by out"
        )
    elif (of_records := detector_of_records(question, detector)) is not None:
        result = replace(_of_records(question, of_records, by), name=_name(question.data))
    else:
        result = _of_texts(question, detector, by)
    return result if question.out is None else _written(result, question)


def _of_texts(question: DetectQuestion, detector: Detector, by: Sequence[str]) -> Detection:
    """Return the detection for texts."""
    samples = [
        sample_of(author, data, flag, question.text_column, question.seed, is_of_data=True)
        for author, data, flag in (
            ("human", question.human, "--human"),
            ("model", question.ai, "--ai"),
            ("edited", question.edited, "--edited"),
        )
        if data is not None
    ]
    if len(samples) == 1:
        return least_share(question, detector, samples[0], *data_sample(question))
    asked = asked_texts(question.data, question.text_column, by, question.group)  # a missing column is known before the long fit
    calibrated = calibration(detector, samples, question.group, question.seed)
    data = judged_data(asked, calibrated, question.fpr, _where(question))
    result = _answer(question, detector, calibrated, data, by)
    return replace(result, warnings=(*result.warnings, *asked.notes))


def _of_records(question: DetectQuestion, detector: Detector, by: Sequence[str]) -> Detection:
    """Return the detection for tables, series and images."""
    sets = record_sets(question)
    if len(sets.samples) == 1:
        result = least_share(question, detector, sets.samples[0], *records_sample(question, sets))
    else:
        asked = asked_records(sets.shards, sets.columns, sets.typed, by, question.group)
        calibrated = replace(calibration(detector, sets.samples, question.group, question.seed), telling=sets.telling)
        data = judged_data(asked, calibrated, question.fpr, _where(question))
        result = _answer(question, detector, calibrated, data, by)
    return replace(result, warnings=(*result.warnings, *sets.notes))


def _where(question: DetectQuestion) -> Where:
    return Where(question.workers or 1, question.ray)


def _check(question: DetectQuestion) -> None:
    check_workers(question.workers)
    checked_rate(question.fpr)
    if isinstance(question.data, str | tuple | list) and not question.data:
        raise BadInput("detect needs data; write outcross detect texts.jsonl --human people.jsonl --ai model.jsonl")
    if question.edited is not None and question.ai is None and question.human is not None:
        raise BadInput(
            "--edited needs --ai, because edited texts cannot be distinguished from models' texts without a sample; give --ai"
        )
    if not 0 < question.power <= 1000:
        raise BadInput(f"--power must be above 0 and at most 1000, got {question.power:g}")
    if not 0 < question.most_weight < math.inf:
        raise BadInput(f"--most-weight must be a finite number above 0, got {question.most_weight:g}")
    if question.seed < 0:
        raise BadInput(f"--seed must be at least 0, got {question.seed}")
    if question.time is not None and question.entity is None:
        raise BadInput(
            f"--time {question.time} needs --entity, because it orders the rows of an entity; add for example --entity patient_id"
        )
    if question.add_columns and question.out is None:
        raise BadInput("--add-columns needs --out: name a folder for records.parquet")
    if question.add_columns and question.entity is not None:
        raise BadInput(
            "--add-columns writes the rows of the data, but with --entity a record is several rows; leave one of them out"
        )
    if question.out is not None:
        results.check_folder(Path(question.out), "detect", list(_inputs(question)))


def _without_people(question: DetectQuestion, detector: Detector, by: Sequence[str]) -> Detection | None:
    """Return the detection from declarations or from a watermark's key if there is no human sample; None if there is one.

    Raises BadInput if another detector has no human sample, or if an option has no effect without samples.
    """
    given = [name for name in ("human", "ai", "edited") if getattr(question, name) is not None]
    if isinstance(detector, DeclaredDetector):
        if given:
            raise BadInput(
                f"--detector declared reads only the declared authors and no samples; leave --{given[0]} out, or give another --detector"
            )
        _check_without_samples(question, "declared")
        return replace(declared_share(question, detector, by), name=_name(question.data))
    if question.human is not None:
        return None
    if isinstance(detector, WatermarkDetector):
        from outcross.verbs.detect.keyed import marked_share

        if given:
            raise BadInput(
                f"--{given[0]} needs --human, because a watermark is compared with human texts; give --human, or leave --{given[0]} out"
            )
        _check_without_samples(question, "watermark")
        return replace(marked_share(question, detector, by), name=_name(question.data))
    raise BadInput(
        "--human is missing, and the false-positive rate is measured on it; give human texts of the same kind as the data"
    )


def _check_without_samples(question: DetectQuestion, kind: str) -> None:
    """Raise BadInput for an option that has no effect on texts without samples."""
    if name := next((name for name in ("group", *OPTIONS) if getattr(question, name)), None):
        raise BadInput(f"--{name} has no effect on --detector {kind} without samples; leave it out")


def detector_of(given: Any) -> Detector:
    """Return the detector that is given by its name, as a mapping with settings (YAML on the command line), as a function of texts, or as itself."""
    if isinstance(given, str) and given.lstrip().startswith("{"):
        given = read_yaml(given, "--detector")
    is_part = isinstance(given, Detector) or (isinstance(given, type) and issubclass(given, Detector))
    if callable(given) and not is_part:
        return GivenDetector(given)
    return read(DETECTORS, given, "detector")


def _answer(
    question: DetectQuestion, detector: Detector, calibrated: Calibration, data: JudgedData, by: Sequence[str]
) -> Detection:
    warnings = [*_warnings(calibrated, data), *_of_users(detector)]
    unit, is_foreign = _unit(calibrated), _other_language(data)
    data = _without(data, is_foreign)
    estimated_shares, why = _tried(lambda: shares(calibrated, data, np.arange(len(data))))
    fit, why_not = _tried(lambda: fits(calibrated, data))
    if estimated_shares is None:
        raise BadInput(f"no share can be estimated: {why}")
    in_distribution = None if fit is None else fit[0] > RATE
    if fit is None:
        warnings.append(f"It is unknown whether the data are of the same kinds as the calibration samples: {why_not}.")
    share = estimated_shares.model
    posterior = posteriors(calibrated, data, share.value)
    if in_distribution is False:
        tests = ", ".join(f"{name} p = {p:.2g}" for name, p in fit[1].items())  # type: ignore[index]
        warnings.append(
            f"The data are unlike both calibration samples ({tests}): another generator, subject or kind of {unit}. The share is therefore only a lower limit "
            f"of the part that a model wrote. It is computed from the human sample alone, and is valid only if the human {unit} in the data resemble that sample. "
            "Give samples of the same kind as the data."
        )
        share = _from_the_human_sample(calibrated, data)
        if by:
            warnings.append(
                f"There are no shares for the values of {', '.join(by)}, because the data are unlike both calibration samples."
            )
    flags, is_flagged = _flags(question.fpr, calibrated, data)
    naive, adjusted = counted(calibrated, data)
    weight, described_weights = weights(question, posterior)
    declared = data.declared
    human, ai = calibrated.ratios[0][:2]
    human_slices = _human_slices(question.fpr, calibrated, by)
    warnings += [
        f"Human {unit} with {part.column} = {part.value} are flagged at {100 * part.rate.value:.1f} %, unlike the others."
        for part in human_slices
        if part.differs
    ]
    return Detection(
        name=_name(question.data),
        share=share,
        shares=None if in_distribution is False else estimated_shares,
        in_distribution=in_distribution,
        checks={} if fit is None else fit[1],
        naive=naive,
        adjusted=adjusted,
        flags=flags,
        slices=tuple(_slices(calibrated, data, "" if in_distribution is not False else NO_SHARE)),
        human_slices=tuple(human_slices),
        area=area_under_the_curve(np.concatenate((human, ai)), np.arange(human.size + ai.size) >= human.size),
        hits={rate: float((ai > np.quantile(human, 1 - rate, method="higher")).mean()) for rate in HIT_RATES if human.size >= least_sample(rate)},
        weights=described_weights,
        warnings=tuple(warnings),
        detector=_detector_in_plain(detector) | {"controls": calibrated.controls},
        samples={
            sample.author: {
                "texts": len(sample.content), "groups": int(np.unique(sample.groups).size), "too_short": sample.too_short, "left_out": sample.beyond,
            }
            for sample in calibrated.samples
        },
        states=np.where(data.words < LEAST, 1, np.where(is_foreign, 4, np.where(data.is_judged, 0, 2))).astype(np.int8),
        p_ai=posterior,
        weight=weight,
        is_flagged=is_flagged,
        histogram=_histogram(calibrated, data),
        data=question.data,
        unit=unit,
        generators=() if in_distribution is False else tuple(_generators(calibrated, data)),
        declared=None if declared is None else contradicted(declared, calibrated, data, is_flagged, question.fpr),
    )  # fmt: skip


def _unit(calibrated: Calibration) -> str:
    return "records" if isinstance(calibrated.human.content, TypedRecords) else "texts"


def _detector_in_plain(detector: Detector) -> dict[str, Any]:
    """Return a detector as plain data: a function by its name, and a part of the user with the digests of its source."""
    if isinstance(detector, GivenDetector):
        return {"kind": kind(detector), "function": detector.name}
    files = {"files": own_source.digests(type(detector))} if own_parts.is_own(type(detector)) else {}
    return {"kind": name_in_records(detector), "recipe": plain(detector)} | files


def _of_users(detector: Detector) -> Iterator[str]:
    """Yield a sentence on every detector that the user defined, with its name and the digest of its source."""
    for part in within([detector]):
        if own_parts.is_own(type(part)):
            yield said_of(name_in_records(part), {"files": own_source.digests(type(part))})


def _tried(make: Any) -> tuple[Any, str]:
    try:
        return make(), ""
    except NotApplicable as why:
        return None, str(why)


def _warnings(calibrated: Calibration, data: JudgedData) -> Iterator[str]:
    unit = _unit(calibrated)
    for name in calibrated.telling[:MOST_COLUMNS]:
        yield f"Column {name!r} has different values in the human sample and in the model's, so it reveals the author perfectly; the detector does not read it."
    if more := calibrated.telling[MOST_COLUMNS:]:
        yield f"The same holds for {amount(len(more), 'more column')}."
    if calibrated.linking:
        yield (
            f"Both samples have values of column {calibrated.linking!r} in common, which can mean that {unit} belong together (a text and its rewrite). If so, add --group "
            f"{calibrated.linking}: without it a detector is calibrated on {unit} whose counterparts it was fitted to, and the share is wrong."
        )
    for name, area in calibrated.controls.items():
        if area >= STRONG:
            yield (
                f"A detector that reads {name} has an area under the ROC curve of {area:.2f}: the samples were processed differently. {REMEDIES[name]}"
            )
    if data.invisible:
        yield f"Invisible characters were removed from {amount(data.invisible, 'text')} before judging."
    if data.lookalikes:
        yield f"Letters of another script inside Latin words were replaced by the Latin letters that they look like, in {amount(data.lookalikes, 'text')}."
    if _other_language(data).any():
        yield (
            f"Hardly any frequent word of the samples occurs in {amount(int(data.is_foreign.sum()), 'text')}, which suggests another language or vocabulary. "
            "Such texts get the answer cannot_tell, and no share includes them; give samples of their language."
        )
    if count := calibrated.of_two_authors:
        yield (
            f"The human sample has {amount(count, unit[:-1])} that the sample of models also has, so their author is unknown. They make both samples less accurate; remove them from one of the two samples."
        )
    if count := data.in_samples:
        yield (
            f"The data have {amount(count, unit[:-1])} that a sample also has. Each of them is judged by a detector that was not fitted to it."
        )
    judged = data.is_judged
    if not judged.all():
        short = int((data.words < LEAST).sum())
        other = int((~judged).sum()) - short
        parts = [f"{short:,} {'is' if short == 1 else 'are'} shorter than {LEAST} words"] * bool(short) + [
            f"the detector abstained from {other:,}"
        ] * bool(other)
        yield f"Of {len(data):,} {unit}, {' and '.join(parts)}; they get the answer cannot_tell."


def _other_language(data: JudgedData) -> np.ndarray:
    """Whether each text counts as text of another language, (n,).

    These are the texts with hardly any frequent words, if there are more of them than texts of the samples' kind explain.
    """
    from scipy.stats import binom

    able, foreign = int((data.words >= ENOUGH_WORDS).sum()), int(data.is_foreign.sum())
    is_more = foreign > 0 and binom.sf(foreign - 1, able, 2 * UNUSUAL) < CHANCE
    return data.is_foreign if is_more else np.zeros(len(data), bool)


def _without(data: JudgedData, rows: np.ndarray) -> JudgedData:
    """Return the data with these rows marked as not judged; `rows` are truth values, (n,)."""
    if not rows.any():
        return data
    return replace(
        data,
        ratios=np.where(rows[:, None, None], np.nan, data.ratios).astype(np.float32),
        chance=np.where(rows, np.nan, data.chance),
    )


def _from_the_human_sample(calibrated: Calibration, data: JudgedData) -> Estimate:
    """Return the lower limit of the share that the human sample cannot explain."""
    from outcross.statistics.two_sources import ScoredSample, at_least

    judged = data.is_judged
    human = ScoredSample(calibrated.ratios[0][0], calibrated.human.groups)
    return at_least(ScoredSample(data.ratios[judged, 0], data.groups[judged]), human)


def _flags(rate: float, calibrated: Calibration, data: JudgedData) -> tuple[Flags, np.ndarray]:
    reached: dict[int, Estimate | None] = {}
    for length in calibrated.detectors[0].excerpts:
        groups = calibrated.human_groups(calibrated.detectors[0].excerpts[length][1])
        if groups < least_sample(rate):
            reached[length] = None
            continue
        realised_rate = realised(rate, groups)
        reached[length] = Estimate(
            realised_rate.expected, realised_rate.low, realised_rate.high, "Beta of order statistics", groups
        )
    can = np.isfinite(data.chance)
    flagged = np.where(can, data.chance <= rate, -1).astype(np.int8)
    return Flags(rate, reached, least_sample(rate), int((flagged == 1).sum()), int(can.sum())), flagged


def _slices(calibrated: Calibration, data: JudgedData, no_share: str = "") -> Iterator[SliceOfData]:
    """Yield the share of each value of each column.

    If the whole has no share, the slices have none either, and `no_share` is the reason.
    """
    for _, of_column in groupby(slices_of(data.values), key=lambda part: part[0]):
        slices = []
        for column, value, rows in of_column:
            own_shares, why = (None, no_share) if no_share else _tried(lambda rows=rows: shares(calibrated, data, rows))
            slices.append(SliceOfData(column, value, rows.size, own_shares, why))
        yield from unlike_the_rest(slices)


def _generators(calibrated: Calibration, data: JudgedData) -> Iterator[ShareIfGenerator]:
    """Yield the shares for each generator that the column `_model` of the sample of models names, in descending order of their texts.

    They are what the data would say if this generator alone had written the texts of models. There are none if the sample names fewer than two
    generators.
    """
    sample = calibrated.samples[1]
    names = words_of_column(sample.table[MODEL]) if MODEL in sample.table.columns else []
    counts = Counter(name for name in names if name).most_common(MOST_MODELS)
    if len(counts) < 2:
        return
    whole = MixtureRows.of(calibrated, data, np.arange(len(data)))
    for name, n in counts:
        rows = np.flatnonzero([other == name for other in names])
        own_shares, why = None, f"the sample has fewer than {FEWEST} independent {_unit(calibrated)} of this generator"
        if np.unique(sample.groups[rows]).size >= FEWEST:
            own_shares, why = _tried(lambda rows=rows: whole.shares(rows))
        yield ShareIfGenerator(name, n, own_shares, why)


def unlike_the_rest(slices: Sequence[SliceOfData]) -> Iterator[SliceOfData]:
    """Yield the slices of one column with a mark if their share differs from the share of all others together.

    The test compares the difference with its standard error, with Holm's correction over the slices (95 %).
    """
    from scipy.stats import norm

    def share_of(part: SliceOfData) -> Estimate | None:
        return None if part.shares is None or part.shares.model.low is None else part.shares.model

    p: dict[int, float] = {}
    for at, part in enumerate(slices):
        own = share_of(part)
        rest = [(other.n, share) for place, other in enumerate(slices) if place != at and (share := share_of(other)) is not None]
        if own is None or not rest:
            continue
        n = sum(size for size, _ in rest)
        mean = sum(size * share.value for size, share in rest) / n
        error = np.sqrt(own.standard_error**2 + sum((size / n * share.standard_error) ** 2 for size, share in rest))
        p[at] = float(2 * norm.sf(abs(own.value - mean) / error)) if error > 0 else 1.0
    worst, differs = 0.0, set()
    for rank, at in enumerate(sorted(p, key=lambda at: p[at])):
        worst = max(worst, p[at] * (len(p) - rank))
        if worst <= 0.05:
            differs.add(at)
    yield from (replace(part, differs=at in differs) for at, part in enumerate(slices))


def _human_slices(rate: float, calibrated: Calibration, by: Sequence[str]) -> list[SliceOfHuman]:
    """Return the false-positive rates of human calibration texts by slice. Slices with too few groups are omitted.

    A group counts as one text in intervals and tests, with the mean of its texts.
    """
    from scipy.stats import fisher_exact

    table, parts = calibrated.human.table, []
    flagged, judged = _human_flags(rate, calibrated)

    def flagged_groups(rows: np.ndarray) -> tuple[float, int]:
        groups = calibrated.human_groups(rows)
        return float(flagged[rows].mean()) * groups if groups else 0.0, groups

    for column in (name for name in by if name in table.columns):
        values = np.array(["missing" if value is None else str(value) for value in table[column].to_list()])
        own = []
        for value in sorted(set(values.tolist())):
            rows = np.flatnonzero((values == value) & judged)
            others = np.flatnonzero((values != value) & judged)
            sides = [flagged_groups(side) for side in (rows, others)]
            hits, n = sides[0]
            if n >= least_sample(rate):
                counts = [[round(count), size - round(count)] for count, size in sides]
                p = float(fisher_exact(counts).pvalue) if others.size else 1.0  # type: ignore[attr-defined]
                estimate = Estimate(hits / n, *exact_ends(hits, n, 0.025), "Clopper-Pearson over groups", n)
                own.append((p, SliceOfHuman(column, value, estimate, False)))
        worst = 0.0
        for at, (p, part) in enumerate(sorted(own, key=lambda tested: tested[0])):
            worst = max(worst, p * (len(own) - at))
            parts.append(replace(part, differs=worst <= 0.05))
    return parts


def _human_flags(rate: float, calibrated: Calibration) -> tuple[np.ndarray, np.ndarray]:
    """Return which human calibration texts are flagged, and which are judged, (n,) each.

    A text is compared with the other texts at the maximum length that it reaches. It is judged if it reaches any length.
    """
    n = len(calibrated.human.content)
    flagged, judged = np.zeros(n, bool), np.zeros(n, bool)
    for length in calibrated.lengths(rate):
        excerpts, rows = calibrated.detectors[0].excerpts[length]
        above = np.argsort(np.argsort(-excerpts, kind="stable"), kind="stable") + 1
        flagged[rows] = above <= rate * (rows.size + 1)
        judged[rows] = True
    return flagged, judged


def _histogram(calibrated: Calibration, data: JudgedData) -> dict[str, Sequence[float]]:
    own = [data.ratios[data.is_judged, 0].mean(axis=1), *calibrated.ratios[0][:2]]
    both = np.concatenate(own)
    edges = np.linspace(float(np.quantile(both, 0.002)), float(np.quantile(both, 0.998)), BINS + 1)
    counts = [np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / max(values.size, 1) for values in own]
    # Rounded as in the stored file, so that a page from the stored result is the same page.
    return {  # type: ignore[return-value]  # All numbers are finite.
        name: [rounded(number) for number in numbers.tolist()]
        for name, numbers in zip(("edges", "data", "human", "model"), (edges, *counts), strict=True)
    }


def _name(data: Any) -> str:
    if isinstance(data, str | Path):
        return str(data)
    if isinstance(data, tuple | list) and data and isinstance(data[0], str | Path):
        return str(data[0]) if len(data) == 1 else f"{data[0]}, …"
    return "data"


def _inputs(question: DetectQuestion) -> Iterator[Path]:
    """Yield the files that the question names."""
    for given in (question.data, question.human, question.ai, question.edited):
        for word in given if isinstance(given, list | tuple) else (given,):
            if isinstance(word, str | Path) and str(word):
                yield from names.fitting(str(word)) if names.is_pattern(str(word)) else [Path(word)]


def _written(result: Detection, question: DetectQuestion) -> Detection:
    from outcross.verbs.detect.page import page
    from outcross.verbs.detect.records import records

    out = Path(question.out)  # type: ignore[arg-type]
    import json

    files: Mapping[str, Any] = {
        RECORDS: records(result, question),
        "report.html": page(result),
        FILE: json.dumps(result.plain(), ensure_ascii=False, allow_nan=False, indent=1) + "\n",
    }
    results.write_folder(out, "detect", files, list(_inputs(question)))
    return replace(result, folder=out)


detect = asks(DetectQuestion, detected)

__all__ = ["Detection", "Shares", "detect", "detected", "detector_of"]
