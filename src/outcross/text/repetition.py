"""How much a text says again: 1 − (1 − r₂)(1 − r₃)(1 − r₄), rₙ the share of its runs of n words that it has said before.

One minus the diversity of Drayson et al., arXiv 2502.15654. It grows with length: compare texts of one length.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from outcross.estimate import Estimate, NotApplicable
from outcross.statistics.clusters import share, sum_of, totals
from outcross.text.lexicon import Sample
from outcross.text.texts import divided
from outcross.text.words import RunningWords

REPEATED = (2, 3, 4)
"""Words of a run."""


def repetition_of_each(words: RunningWords) -> np.ndarray:
    """The repetition of each text, in [0, 1], (n,); NaN below four words."""
    return 1 - np.prod([divided(*words.distinct_runs(length)) for length in REPEATED], axis=0)


def repetition(text: Sample) -> Estimate:
    """The repetition of texts together, in [0, 1]: each rₙ is over the runs of all texts of four words or more.

    NotApplicable where there is no such text, or where one document holds all of them.
    """
    words = text.words
    if not (long := words.per_block >= max(REPEATED)).any():
        raise NotApplicable(f"no block of the text has {max(REPEATED)} whole words")
    documents = np.unique(text.clusters[long], return_inverse=True)[1]
    inside = (words.distinct_runs(length) for length in REPEATED)
    return repeated(
        [(totals(distinct[long], documents), totals(running[long], documents)) for distinct, running in inside], text.cluster_kind
    )


def repeated(counted: list[tuple[np.ndarray, np.ndarray]], unit: str) -> Estimate:
    """1 − Π (distinct / running) of runs of each length; counted: both numbers of every independent cluster, (clusters,) each; `unit` names the clusters.

    To first order a cluster adds what its own runs say again. Where nothing is said again there is no scatter: the interval then comes from
    that of a share of pairs of words that is 0.
    """
    new = [distinct.sum() / running.sum() for distinct, running in counted]
    if (value := 1 - math.prod(new)) > 0:
        parts = [(share * running - distinct) / distinct.sum() for share, (distinct, running) in zip(new, counted, strict=True)]
        estimate = sum_of(value, math.prod(new) * np.sum(parts, axis=0), counted[0][1], unit)
        low, high = estimate.interval
        return replace(estimate, low=max(0.0, low), high=min(1.0, high))
    pairs = counted[0][1]
    none = share(np.zeros(pairs.size), pairs, "word pairs", unit)
    return replace(none, high=1 - (1 - none.interval[1]) ** len(REPEATED))


__all__ = ["repeated", "repetition", "repetition_of_each"]
