"""Every measure calls honest data healthy: people's records are held against other people's records, again and again.

A run draws all records from one law, on a frozen stream of its own, and a measure reads them. Readings of one run depend on each other, so each
page counts one of its readings a run, drawn at random. It looks lost with chance LEVEL at most: where its null has a p, because p ≤ LEVEL;
else because the intervals of the reading and of its null (or of the healthy number, which has none) do not hold their difference. So the runs
that look lost are binomial at most, and must lie in its acceptance region, which begins at 0 for so few runs. With other streams some page of
this file would leave its region in FALSE_ALARM of all cases at most: each has an equal part of that.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom

from outcross.data import HUMAN, Human, part_of
from outcross.data.records import Blocks, blocks
from outcross.data.tables import Kind, table
from outcross.estimate import Null, Reading
from outcross.measures import MEASURES, Evidence, measure
from outcross.measures.of_tables import as_tables
from outcross.measures.use import Use
from outcross.models import LEARNERS
from outcross.models.categorical import CategoricalModel
from outcross.models.gaussian import NormalModel
from outcross.models.regression import LinearModel
from outcross.recipe import read
from outcross.sources import SOURCES
from outcross.statistics.sketches import gather
from outcross.text.gathering import Document

LEVEL = 0.05
FALSE_ALARM = 1e-4
SEED = 20261128
SETTINGS = {"use": lambda: Use(learners=("linear model",), fits=2)}
KINDS: dict[str, Kind] = {"text": "text", "city": "category", "sex": "category", "course": "series"}


def texts(rng, n):
    """Texts of 20 to 80 words that are drawn by rank."""
    lengths = rng.integers(20, 80, n)
    ranks = np.minimum(rng.zipf(1.4, lengths.sum()), 3000)
    return [" ".join(f"w{rank}" for rank in text.tolist()) for text in np.split(ranks, np.cumsum(lengths)[:-1])]


def people(rng, n, columns):
    """A table with columns of every kind: skewed numbers, one with holes that follows the other, categories of which most are rare."""
    x = rng.lognormal(0.0, 0.5, n)
    followed = np.where(rng.random(n) < 0.1, np.nan, 2 * x + rng.normal(size=n))
    rare = [0.5, 0.3, 0.1, 0.05, *[0.005] * 10]
    generators: dict[str, Callable[[], object]] = {
        "x": lambda: x,
        "y": lambda: pl.Series(followed, nan_to_null=True),
        "city": lambda: rng.choice([f"c{i}" for i in range(len(rare))], n, p=rare),
        "sex": lambda: rng.choice(["f", "m"], n),
        "course": lambda: pl.Series(np.cumsum(rng.normal(size=(n, 40)), axis=1).tolist()),
        "text": lambda: texts(rng, n),
    }
    return pl.DataFrame({column: generators[column]() for column in columns})


@dataclass(frozen=True)
class Tables:
    """People in a table against people in another one."""

    measure: str
    rows: int
    columns: tuple[str, ...]
    runs: int = 80
    groups: tuple[str, ...] = ()
    has_holdout: bool = False

    def evidence(self, rng):
        kinds: dict[str, Kind] = {column: kind for column, kind in KINDS.items() if column in self.columns}
        names = ("drawn", "reference", "holdout")[: 3 if self.has_holdout else 2]
        sides = {name: table(people(rng, self.rows, self.columns), name, kinds=kinds) for name in names}
        evidence = Evidence(**sides, groups=self.groups, target="sex")
        counted = [gather(side, measure_named(self.measure).sketches(evidence)) for side in (evidence.drawn, evidence.reference)]
        return evidence.but(counted={name: (counted[0][name], counted[1][name]) for name in counted[0]})


@dataclass(frozen=True)
class Records:
    """What people wrote, or records of a known law, in place of what a model drew in a run."""

    measure: str
    world: Callable[[np.random.Generator], Evidence]
    runs: int = 80

    def evidence(self, rng):
        return self.world(rng)


def written(rng):
    """Other people's blocks as what was drawn, of the same documents as the training blocks; and a model that read the latter."""
    sexes = rng.choice(["f", "m"], 110)
    documents = [Document(text, sex) for text, sex in zip(texts(rng, 110), sexes.tolist(), strict=True)]
    learner = read(LEARNERS, {"kind": "ngram", "tokens": "words", "order": 2}, "learner")
    human = learner.form(14).cut(documents, 60, 0.2, rng)
    drawn = matched(human.reserve.records, human.training.records.column("_group"), rng)
    model = learner.fit(human.training.records, None, learner.begin(human, None, rng), None, rng)
    return Evidence(drawn=drawn, human=replace(human, reserve=None), training=human.training, model=model, first_model=model)


def matched(others: Blocks, groups, rng) -> Blocks:
    """Blocks of other people, one for each prompt and of its group, as if they continued it."""
    rows = np.empty(len(groups), np.int64)
    for group in np.unique(groups.astype(str)):
        here = np.flatnonzero(groups == group)
        rows[here] = rng.choice(np.flatnonzero(others.column("_group") == group), here.size, replace=False)
    chosen = others.take(rows)
    return blocks(chosen.tokens, list(chosen.column("text")), chosen.column("_bytes"), prompt=np.arange(len(rows)))


def held_out(rng):
    """Half of the documents that no model and no vocabulary has seen, as what was drawn; the others are what it is held against."""
    evidence = written(rng)
    is_drawn = evidence.reference.column("_document") % 2 == 0
    return evidence.but(
        **{side: evidence.reference.take(np.flatnonzero(is_drawn == (side == "drawn"))) for side in ("drawn", "reference")}
    )


@dataclass(frozen=True)
class Continued:
    """What people wrote after human blocks, in place of what a model wrote after them, beside what other people wrote after the same ones.

    A document has its own words beside those of all: whoever continues it says again what stands in the prompt.
    """

    measure: str
    runs: int = 40
    documents: int = 80

    def evidence(self, rng):
        topics = rng.integers(0, 600, (self.documents, 12))

        def block_of_each(prompt=-1):
            common = np.minimum(rng.zipf(1.4, (self.documents, 12)), 400)
            own = np.take_along_axis(topics, rng.integers(0, 12, (self.documents, 8)), axis=1)
            lines = [
                " ".join(["(", *(f"w{i}" for i in of_all), *(f"t{i}" for i in of_one), ")"])
                for of_all, of_one in zip(common.tolist(), own.tolist(), strict=True)
            ]
            numbers = np.arange(self.documents)
            columns = {"document": numbers} if prompt < 0 else {"prompt": numbers}
            return blocks(np.ones((self.documents, 1), np.int32), lines, np.full(self.documents, 9), **columns)

        training, drawn, after = block_of_each(), block_of_each(prompt=0), block_of_each(prompt=0)
        human = Human(training=part_of(HUMAN, training), continuations=part_of(HUMAN, after))
        return as_tables(Evidence(drawn=drawn, human=human), "training")


def drawn_from(source, rows=60):
    """Records of a known law as what was drawn, and others of it as the human ones."""

    def world(rng):
        truth = read(SOURCES, source, "human").truth
        training, reference, holdout = (part_of(HUMAN, truth.draw(rows, (), rng)) for _ in range(3))
        human = Human(training=training, reference=reference, holdout=holdout, truth=truth)
        return Evidence(drawn=truth.draw(rows, (), rng), human=human)

    return world


def learned(rng):
    """Two models, each of which learned from people's records alone."""
    evidence = drawn_from({"kind": "normal", "dimensions": 2})(rng)
    learner = read(LEARNERS, "gaussian", "learner")
    parts = {"model": evidence.human.holdout, "first_model": evidence.human.training}
    return evidence.but(**{name: learner.fit(part.records, None, None, None, rng) for name, part in parts.items()})


NORMAL, BLOBS = drawn_from({"kind": "normal", "dimensions": 2}), drawn_from({"kind": "blobs"}, rows=100)
CASES = [
    Tables("spread", 100, ("x", "y"), runs=60),
    Tables("location", 100, ("x", "y"), runs=60),
    Tables("category_shares", 200, ("sex", "city"), runs=60),
    Tables("tails", 1000, ("x", "city"), runs=40),
    Tables("rare_words", 150, ("text",), runs=40, has_holdout=True),
    Tables("groups", 200, ("x", "sex", "city"), runs=60, groups=("sex",)),
    Tables("coverage", 250, ("x", "y", "city"), runs=40),
    Tables("copying", 100, ("x", "y", "city"), runs=60, has_holdout=True),
    Tables("copying", 400, ("x", "y"), runs=20, has_holdout=True),
    Tables("regions", 300, ("x", "y", "city"), runs=20),
    Tables("verbatim_copies", 100, ("text",), runs=60, has_holdout=True),
    Tables("diversity", 100, ("x", "y", "city"), runs=40),
    Tables("repeated_texts", 100, ("text",), runs=60),
    Tables("lexical_diversity", 100, ("text",), runs=40),
    Continued("rare_words"),
    Continued("lexical_diversity"),
    Continued("prompt_copying"),
    Tables("diversity", 200, ("city", "sex"), runs=40),
    Tables("structure", 100, ("x", "y", "sex", "city"), runs=40),
    Tables("structure", 400, ("x", "y"), runs=40),
    Tables("structure", 60, ("course",), runs=40),
    Tables("use", 400, ("x", "city", "sex"), runs=20, groups=("city",), has_holdout=True),
    Tables("text_quality", 100, ("text",), runs=16),
    Records("decoding", written, runs=60),
    Records("text_groups", written, runs=60),
    Records("generated_perplexity", held_out, runs=60),
    Records("tail_mass", NORMAL),
    Records("neighbours", NORMAL),
    Records("w1", NORMAL),
    Records("sliced_w2", NORMAL),
    Records("energy_distance", NORMAL),
    Records("held_out_nats", learned),
    Records("modes", BLOBS),
]


def measure_named(name):
    return SETTINGS.get(name, measure(name))()


def readings(name, evidence, rng) -> list[Reading]:
    return [reading for reading in measure_named(name)(evidence, rng) if isinstance(reading, Reading)]


def looks_lost(reading: Reading) -> bool | None:
    """Whether a reading looks worse, or only other, than what people's records show; None where nothing says what they show."""
    if reading.estimate is None or reading.estimate.low is None:
        return None
    if reading.null is not None and reading.null.p is not None:
        return reading.null.p <= LEVEL
    healthy = measure_of(reading.measure).pages[reading.measure].healthy
    null = reading.null or (Null(healthy, healthy, healthy) if isinstance(healthy, float) else None)
    if null is None or null.low is None or null.high is None:
        return None
    value, (low, high) = reading.estimate.value, reading.estimate.interval
    reach = (value - low, null.high - null.typical) if value > null.typical else (high - value, null.typical - null.low)
    return abs(value - null.typical) > math.hypot(*reach)


@cache
def measure_of(page):
    return next(measure(name) for name in MEASURES if page in measure(name).pages)


def judged(case) -> Iterator[dict[str, list[bool]]]:
    """Of every run, whether each reading of a page looks lost."""
    for run in range(case.runs):
        rng = np.random.default_rng([SEED, run])
        verdicts = defaultdict(list)
        for reading in readings(case.measure, case.evidence(rng), rng):
            if (lost := looks_lost(reading)) is not None:
                verdicts[reading.measure].append(lost)
        yield verdicts


@cache
def looked_lost(case) -> dict[str, tuple[int, int]]:
    """Of each page, the runs in which it was read, and in how many of them the reading that was drawn looks lost."""
    chosen, read_, lost = np.random.default_rng(SEED), Counter(), Counter()
    for verdicts in judged(case):
        for page, lost_of_page in sorted(verdicts.items()):
            read_[page] += 1
            lost[page] += lost_of_page[chosen.integers(len(lost_of_page))]
    return {page: (runs, lost[page]) for page, runs in read_.items()}


def most_lost(runs: int) -> int:
    """The upper end of the acceptance region of so many runs."""
    pages = sum(len(measure(case.measure).pages) for case in CASES)
    assert binom.ppf(FALSE_ALARM / pages, runs, LEVEL) == 0  # the lower end: a test may be stricter than it says
    return int(binom.isf(FALSE_ALARM / pages, runs, LEVEL))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.measure} of {', '.join(getattr(case, 'columns', ('records',)))}")
def test_peoples_records_seldom_look_lost_beside_other_peoples(case):
    counts = looked_lost(case)
    assert counts
    assert {page: runs_and_lost for page, runs_and_lost in counts.items() if runs_and_lost[1] > most_lost(runs_and_lost[0])} == {}


def test_what_is_lost_does_look_lost():
    """A third of the spread of one column is taken away: the same count is outside of its region."""

    @dataclass(frozen=True)
    class Narrowed(Tables):
        def evidence(self, rng):
            evidence = super().evidence(rng)
            frame = evidence.drawn.frame.with_columns(pl.col("x") * 2 / 3)
            return evidence.but(drawn=table(frame, "drawn"), counted=None)

    runs, lost = looked_lost(Narrowed("spread", 100, ("x", "y"), runs=30))["variance"]
    assert lost > most_lost(runs)


# What has no null, read off the truth itself


def of_truth(source, model):
    """A model that is the law of its human records."""
    truth = read(SOURCES, source, "human").truth
    human = Human(training=part_of(HUMAN, truth.draw(20, (), np.random.default_rng(SEED))), truth=truth)
    return Evidence(human=human, drawn=human.training, model=model(truth), first_model=model(truth))


STATES = {"kind": "categorical", "states": 8, "law": "zipf"}
P = np.arange(1, 9) ** -1.0 / (np.arange(1, 9) ** -1.0).sum()
TRUTHS = {
    "fitted_law": (
        lambda: of_truth({"kind": "normal", "dimensions": 2}, lambda truth: NormalModel(truth.mean, truth.covariance)),
        {"log_variance": 0.0, "spread_ratio": 1.0, "mean_error": 0.0, "w2": 0.0},
    ),
    "support": (
        lambda: of_truth(STATES, lambda truth: CategoricalModel(truth.probabilities)),
        {"support": 8.0, "entropy": -(P * np.log(P)).sum(), "concentration": (P**2).sum(), "excess_risk": 0.0, "absorbed": 0.0},
    ),
    "memory": (lambda: of_truth(STATES, lambda truth: CategoricalModel(truth.probabilities)), {"test_error": 0.0}),
    "mixture_distance": (lambda: of_truth({"kind": "blobs"}, lambda truth: truth), {"l2_squared": 0.0}),
    "coefficient_error": (
        lambda: of_truth({"kind": "regression"}, lambda truth: LinearModel(truth.coefficients, truth.noise, "fresh")),
        {"coefficient_error": 0.0},
    ),
    "held_out": (lambda: written(np.random.default_rng(SEED)), {"excess_loss": 0.0}),
    "next_tokens": (
        lambda: written(np.random.default_rng(SEED)),
        {"next_token_entropy_change": 0.0, "next_token_divergence": 0.0},
    ),
}
"""Measures of a model: one that is the truth (or generation 0's, where that is what is healthy), and what they say of it."""
NO_HEALTHY_NUMBER = {
    "column": "a column is gone or it is not; tests/test_missing_columns.py holds both",
    "sketch": "it is read of columns over the cap alone; tests/test_missing_columns.py holds 100 honest sets of 1,000 columns",
    "timid": "nothing predicts the target of these tables, so that no slope is read; tests/test_audit_flips.py holds honest splits of a table",
    "overconfident": "as timid",
    "held_out_loss": "a loss of one model has no null; excess_loss holds it against generation 0's",
    "held_out_perplexity": "as held_out_loss",
    "bits_per_byte": "as held_out_loss",
    "group_loss": "as held_out_loss",
    "next_token_entropy": "an entropy of one model has no null; next_token_entropy_change holds it against generation 0's",
    "next_token_entropy_spread": "as next_token_entropy",
    "held_out_elbo": "a bound of one model has no null; excess_elbo holds it against generation 0's",
    "excess_elbo": "no autoencoder is the true law of pictures, so none is healthy by construction; tests/test_vae.py holds its values",
    "latent_spread": "as excess_elbo; what is healthy is generation 0's own value",
    "latent_mean": "as latent_spread",
    "acceptance": "what a selection keeps is what was asked of it; tests/test_selecting_in_the_loop.py holds its values",
    "rejection": "as acceptance",
    "radioactivity": "what is healthy depends on the mark; tests/test_radioactivity.py holds its p-value to chance",
    "selected_human": "as acceptance; what a detector leaves depends on how well it tells authors apart",
    "selected_spread": "a selection that prefers is no honest draw; tests/test_selecting_in_the_loop.py holds a random one and the central cut",
    "selected_tail": "as selected_spread",
    "selected_group": "as selected_spread",
    "fill_in": "as acceptance; tests/laws/test_selection.py holds the expected shares of the cells",
    "wrong_before": "a verifier has the rates that it has; tests/laws/test_selection.py holds the coverage of its intervals",
    "kept_wrong": "as wrong_before",
    "keeps_correct": "as wrong_before",
    "keeps_wrong": "as wrong_before",
    "breakdown": "as wrong_before",
    "verbatim_training": "what a model learned from need not be what people wrote; verbatim holds copies against fresh human text",
}
CELLS = ["heterozygosity", "largest_cell", "rarest_lost", "rarest_share", "rarest_variance", "signed_gap", "squared_gap"]
FAIRNESS = [
    "accuracy",
    "accuracy_difference",
    "accuracy_gap",
    "demographic_parity_gap",
    "equalised_odds_gap",
    "false_positive_rate",
    "group_accuracy",
    "selection_difference",
    "selection_rate",
    "true_positive_rate",
    "worst_group_accuracy",
]
OF_LABELS = [
    "cell_representation",
    "cell_share",
    "class_annotator",
    "class_representation",
    "classifier_fill_in",
    "group_annotator",
    "group_representation",
    "kept_representation",
    "taught_accuracy",
    "taught_accuracy_gap",
]
NO_HEALTHY_NUMBER |= dict.fromkeys(CELLS, "a number of the law of cells; tests/laws/test_cells.py holds its closed form")
NO_HEALTHY_NUMBER |= dict.fromkeys(
    FAIRNESS, "it reads a classifier on labelled records; tests/test_fairness.py holds its number, interval and null"
)
NO_HEALTHY_NUMBER |= dict.fromkeys(
    ("answer_accuracy", "student_gain", "taught_correct", "taught_wrong"),
    "it reads answers of teachers and students; tests/laws/test_surpass.py holds it against closed forms",
)
NO_HEALTHY_NUMBER |= dict.fromkeys(
    ("goal", "parameters", "sums_right"),
    "what is healthy depends on what data are chosen for; tests/test_sculpt.py holds its values",
)
NO_HEALTHY_NUMBER |= dict.fromkeys(OF_LABELS, "it reads labels that a run has given; tests/test_labelling.py holds it")
"""Pages that no honest data can be held against, and why."""


@pytest.mark.parametrize("name", TRUTHS)
def test_a_model_that_is_the_truth_is_healthy(name):
    evidence, healthy = TRUTHS[name][0](), TRUTHS[name][1]
    of_truth = [reading for reading in readings(name, evidence, np.random.default_rng(SEED)) if reading.measure in healthy]
    assert {reading.measure for reading in of_truth} == healthy.keys()
    for each in of_truth:
        assert each.estimate is not None and each.estimate.value == pytest.approx(healthy[each.measure], abs=1e-12), each


def test_every_page_is_held_against_honest_data_or_says_why_not():
    pages = {page for case in CASES for verdicts in judged(replace(case, runs=2)) for page in verdicts}
    pages |= {page for _, healthy in TRUTHS.values() for page in healthy}
    assert {page for name in MEASURES for page in measure(name).pages} - pages == NO_HEALTHY_NUMBER.keys()
