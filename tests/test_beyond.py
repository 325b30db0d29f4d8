"""The share of records beyond a human quantile has one definition, whose law is exact where nothing is lost."""

import functools
import math

import numpy as np
import pytest
from scipy.stats import betabinom, fisher_exact

import outcross
from outcross.estimate import NotApplicable
from outcross.measures.likelihood import Scored, beyond_human_quantile
from outcross.statistics.beyond import Honest, farthest, fewer_beyond, limit, more_beyond

LAWS = [(10, 1000, 1000), (1, 20, 7), (5, 99, 400), (50, 60, 30), (30, 600, 600)]


def test_the_law_of_honest_records_beyond_the_tenth_of_a_thousand():
    """Mean 9.990, standard deviation 4.444, P(none) 9.55e-4: a binomial law would say 10, 3.146 and 4.3e-5."""
    law = Honest(k=10, human=1000, rows=1000)
    chances = np.diff([0.0, *(law.at_most(count) for count in range(200))])
    mean = chances @ np.arange(200)
    assert mean == pytest.approx(law.mean, abs=1e-9) and law.mean == pytest.approx(9.990, abs=5e-4)
    assert math.sqrt(chances @ np.arange(200) ** 2 - mean**2) == pytest.approx(4.444, abs=5e-4)
    assert law.at_most(0) == pytest.approx(9.55e-4, abs=5e-7)


@pytest.mark.parametrize(("k", "human", "rows"), LAWS)
def test_the_law_is_beta_binomial(k, human, rows):
    law, theirs = Honest(k, human, rows), betabinom(rows, k, human + 1 - k)
    for count in {0, 1, k // 2, k, min(rows, 3 * k), rows}:
        assert law.at_most(count) == pytest.approx(theirs.cdf(count), rel=1e-8)
        assert law.at_least(count) == pytest.approx(theirs.pmf(np.arange(count, rows + 1)).sum(), rel=1e-8, abs=1e-300)
    assert [law.quantile(p) for p in (0.05, 0.51, 0.95)] == [int(theirs.ppf(p)) for p in (0.05, 0.51, 0.95)]


def test_the_quantile_of_the_law_is_the_smallest_number_with_its_chance():
    """Also for few records, for all or none of the human ones beyond the limit, and far in the tail, where the normal law is not near."""
    rng = np.random.default_rng(12)
    for _ in range(300):
        human, rows = rng.integers(1, 400, 2).tolist()
        law = Honest(k=int(rng.choice([0, 1, human // 2, human])), human=human, rows=rows)
        for p in (1e-6, 0.05, 0.5, 0.95, 1 - 1e-6):
            number = law.quantile(p)
            assert law.at_most(number) >= p * (1 - 1e-12) and law.at_most(number - 1) < p


def test_a_quantile_is_the_human_value_that_leaves_its_share_out_on_average():
    ordered = np.arange(1.0, 1001.0)
    assert (limit(ordered, 0.01, "lower"), limit(ordered, 0.01, "upper")) == (10.0, 991.0)
    assert farthest(0.001, 999) == 1 and farthest(0.001, 998) == 0
    with pytest.raises(NotApplicable, match="0 human values lie that far out, but the minimum is 1; give 999 human records"):
        limit(ordered[:998], 0.001, "upper")


def test_honest_records_are_called_fewer_as_often_as_the_level_says():
    """4,000 pairs of sets of one law; p is at most α with chance at most α, and the ratio is 1 on average: within 4 standard errors."""
    fewer, more, rng, outcomes = functools.cache(fewer_beyond), functools.cache(more_beyond), np.random.default_rng(0), []
    for _ in range(4000):
        human, fresh = np.sort(rng.standard_normal(200)), rng.standard_normal(150)
        count = int((fresh >= limit(human, 0.05, "upper")).sum())
        smaller, larger = fewer(count, 150, 10, 200), more(count, 150, 10, 200)
        outcomes.append((smaller[0].value, smaller[1].p, larger[1].p))
    ratio, smaller, larger = np.array(outcomes).T
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / math.sqrt(4000)
    for p in (smaller, larger):
        for level in (0.05, 0.2):
            assert (p <= level).mean() < level + 4 * math.sqrt(level * (1 - level) / 4000)


@pytest.mark.parametrize("values", [2, 5, 12, 40], ids="{} values".format)
def test_honest_records_among_ties_are_called_fewer_no_more_often_than_the_level_says(values):
    """4,000 pairs of sets of a few whole numbers: no more human values lie beyond the limit than the depth says, within 4 standard errors."""
    fewer, rng, p_values = functools.cache(fewer_beyond), np.random.default_rng(1), []
    for _ in range(4000):
        human, fresh = (rng.geometric(1 - math.exp(-3 / values), size).astype(float) for size in (200, 150))
        try:
            at = limit(np.sort(human), 0.05, "upper", fewest=5, ties="out")
        except NotApplicable:
            continue
        p_values.append(fewer(int((fresh >= at).sum()), 150, int((human >= at).sum()), 200)[1].p)
    for level in (0.05, 0.2):
        assert np.mean(np.array(p_values) <= level) < level + 4 * math.sqrt(level * (1 - level) / max(len(p_values), 1))


def test_among_ties_the_law_is_that_of_a_fixed_limit():
    cells = [[7, 93], [20, 80]]
    assert fewer_beyond(7, 100, 20, 100)[1].p == pytest.approx(fisher_exact(cells, "less").pvalue, rel=1e-9)
    cells = [[20, 80], [7, 93]]
    assert more_beyond(20, 100, 7, 100, is_tied=True)[1].p == pytest.approx(fisher_exact(cells, "greater").pvalue, rel=1e-9)
    assert more_beyond(20, 100, 7, 100)[1].p < fisher_exact(cells, "greater").pvalue


def test_an_audit_reads_the_mass_of_a_tail_beyond_the_human_record_that_is_as_far_out():
    human, synthetic = np.arange(1.0, 1001.0), np.concatenate([np.full(997, 500.0), [990.0, 991.0, 1000.0]])
    checks = outcross.audit({"x": synthetic}, reference={"x": human}, aspects="tails").checks
    (upper,) = checks.filter(metric="mass", at="upper 1 %").to_dicts()
    assert upper["value"] == pytest.approx(2 / 1000 / (10 / 1001))
    assert upper["p"] == pytest.approx(betabinom(1000, 10, 991).cdf(2), rel=1e-8)


def human_and_drawn(rng, alike, are_even, of_prompts):
    """Scores of 40 human documents' blocks, 25 each or of lognormal number, and of honest drawn ones, alone or five a prompt."""
    sides = []
    for sizes, cluster_kind in (
        (np.full(40, 25) if are_even else np.ceil(rng.lognormal(2.7, 1, 40)).astype(int), "documents"),
        (np.full(40, 5) if of_prompts else np.ones(200, dtype=int), "prompts"),
    ):
        own = np.repeat(np.arange(sizes.size), sizes)
        scores = math.sqrt(alike) * rng.standard_normal(sizes.size)[own] + math.sqrt(1 - alike) * rng.standard_normal(own.size)
        sides.append(Scored(scores, own, cluster_kind))
    return sides


@pytest.mark.parametrize("alike", [0.0, 0.16, 0.5])
@pytest.mark.parametrize("are_even", [True, False], ids=["even", "uneven"])
@pytest.mark.parametrize("of_prompts", [True, False], ids=["prompts", "blocks"])
@pytest.mark.parametrize(("depth", "end"), [(0.05, "lower"), (0.001, "upper")])
def test_honest_blocks_of_clusters_are_called_more_no_more_often_than_the_level_says(alike, are_even, of_prompts, depth, end):
    """400 pairs, p at most 0.05 in no more than 5 %, within 4 standard errors; where documents are not alike also the share is right."""
    rng, ps, shares = np.random.default_rng(4), [], []
    while len(ps) < 400:
        human, drawn = human_and_drawn(rng, alike, are_even, of_prompts)
        if human.nats.size < 0.5 / depth:
            continue
        share, null = beyond_human_quantile(drawn, human, depth, end)
        ps.append(null.p)
        shares.append(share.value - null.typical)
    assert np.mean(np.array(ps) <= 0.05) <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 400)
    if alike == 0:
        assert abs(np.mean(shares)) < 4 * np.std(shares) / math.sqrt(400)
