"""Repetition within texts: 1 − (1 − r₂)(1 − r₃)(1 − r₄), where rₙ is the share of a text's runs of n words that already occurred in it.

This is one minus the diversity of Drayson et al., arXiv 2502.15654. It grows with length, so compare texts of the same length.
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
"""Numbers of words in the runs."""


def repetition_of_each(words: RunningWords) -> np.ndarray:
    """Return the repetition of each text, in [0, 1], (n,); NaN for fewer than four words."""
    return 1 - np.prod([divided(*words.distinct_runs(length)) for length in REPEATED], axis=0)


def repetition(text: Sample) -> Estimate:
    """Return the repetition of a set of texts, in [0, 1]. Each rₙ is computed from the n-word sequences of all texts together;
    texts of fewer than four words are left out.

    Raises NotApplicable if there is no such text, or if all of them are in one document.
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
    """Return 1 − Π (distinct / running) over the runs of each length.

    `counted` has both numbers for every independent cluster, (clusters,) each. `unit` is the name of the clusters. To first order the contribution of
    a cluster is the repetition of its own runs. If nothing is repeated, there is no scatter, and the interval comes from that of a share of 0 for
    pairs of words.
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
