"""Does a classifier treat all groups equally?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from outcross.classifiers import most_likely_class
from outcross.data.labelled import LabelledPoints
from outcross.estimate import Estimate, NotApplicable, Null, Reading, share
from outcross.measures import Measure, Page, read_with_null, unread
from outcross.recipe import recipe
from outcross.statistics.rates import difference, gap, gap_null, larger, rate

WYLLIE = "Wyllie, Shumailov and Papernot, FAccT 2024, arXiv 2403.07857"
HARDT = "Hardt, Price and Srebro, Equality of opportunity in supervised learning, NeurIPS 2016"
FAIRLEARN = "Weerts et al., Fairlearn, JMLR 24:257 (2023)"
NEWCOMBE = "Newcombe, Statistics in Medicine 17:873 (1998)"


@recipe
class FairnessMeasure(Measure):
    """Accuracy of a generation's classifier on held-out human records, and the differences between groups.

    The favourable class is the last one. The selection rate of a group is the share of its records that are given this class. The true positive rate
    is this share among records of the favourable class, the false positive rate that among all other records. A gap is the largest rate of a group
    less the smallest, as in fairlearn. It is above 0 even if the groups do not differ; its null shows by how much. A signed difference (a group less
    all others) shows the direction. If the classifier never predicts one of the classes, rates do not show how it treats groups, and they are not
    applicable.
    """

    aspect = "groups"
    needs = ("labelled",)
    pages = {
        "accuracy": Page(
            "FA1", "accuracy", "Share of held-out human records whose class the classifier predicts correctly.",
            unit="share of records", healthy="that of generation 0", collapsed="that of a guess",
            worse="smaller", role="use", lead=12, paper=WYLLIE, range=(0.0, 1.0),
        ),
        "group_accuracy": Page(
            "FA2", "accuracy of each group", "Share of a group's held-out human records whose class the classifier predicts correctly.",
            unit="share of records", healthy="that of generation 0", collapsed="that of a guess",
            worse="smaller", role="groups", paper=WYLLIE, range=(0.0, 1.0),
        ),
        "worst_group_accuracy": Page(
            "FA3", "accuracy of the worst group", "The smallest accuracy of a group.",
            unit="share of records", healthy="that of generation 0", collapsed="that of a guess, or below",
            worse="smaller", role="groups", paper=WYLLIE, range=(0.0, 1.0),
        ),
        "accuracy_gap": Page(
            "FA4", "gap of accuracy", "The largest accuracy of a group less the smallest.",
            unit="difference", healthy="its null: the mean if groups do not differ", collapsed="grows",
            worse="larger", role="groups", paper=FAIRLEARN, range=(0.0, 1.0),
        ),
        "demographic_parity_gap": Page(
            "FA5", "demographic parity difference", "The largest selection rate of a group less the smallest.",
            unit="difference", healthy="its null: the mean if groups do not differ", collapsed="grows",
            worse="larger", role="groups", lead=11, paper=FAIRLEARN, range=(0.0, 1.0),
        ),
        "equalised_odds_gap": Page(
            "FA6", "equalised odds difference", "The larger of the gaps of the true positive rate and of the false positive rate.",
            unit="difference", healthy="its null: the mean if groups do not differ", collapsed="grows",
            worse="larger", role="groups", paper=HARDT, range=(0.0, 1.0),
        ),
        "selection_rate": Page(
            "FA7", "rate of selection of each group", "Share of a group's held-out human records to which the classifier gives the favourable class.",
            unit="share of records", healthy="that of generation 0", collapsed="0 or 1",
            role="groups", paper=WYLLIE, range=(0.0, 1.0),
        ),
        "true_positive_rate": Page(
            "FA8", "true positive rate of each group", "Share of a group's records of the favourable class to which the classifier gives that class. The false negative rate is 1 minus it.",
            unit="share of records", healthy="that of generation 0", collapsed="0",
            worse="smaller", role="groups", paper=HARDT, range=(0.0, 1.0),
        ),
        "false_positive_rate": Page(
            "FA9", "false positive rate of each group", "Share of a group's records of other classes to which the classifier gives the favourable class. The true negative rate is 1 minus it.",
            unit="share of records", healthy="that of generation 0", collapsed="1",
            worse="larger", role="groups", paper=HARDT, range=(0.0, 1.0),
        ),
        "selection_difference": Page(
            "FA10", "signed difference of selection", "The selection rate of a group less that of all other groups together.",
            unit="difference", healthy=0.0, collapsed="away from 0, in either direction",
            role="groups", paper=NEWCOMBE, range=(-1.0, 1.0),
        ),
        "accuracy_difference": Page(
            "FA11", "signed difference of accuracy", "The accuracy of a group less that of all other groups together.",
            unit="difference", healthy=0.0, collapsed="away from 0, in either direction",
            role="groups", paper=NEWCOMBE, range=(-1.0, 1.0),
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        people: LabelledPoints = evidence.reference
        said = most_likely_class(evidence.model.classifier, people.array, len(people.classes))
        yield from of_groups(said, people)


def of_groups(said: np.ndarray, people: LabelledPoints) -> list[Reading]:
    """Return the readings of a classifier's predicted classes, (n,), for labelled human records with groups."""
    groups = [people.group == number for number in range(len(people.groups))]
    right, chosen, ought = said == people.label, said == len(people.classes) - 1, people.label == len(people.classes) - 1

    def rates(hits: np.ndarray, among: np.ndarray) -> list[tuple[int, int]]:
        return [(int((hits & among & group).sum()), int((among & group).sum())) for group in groups]

    everyone = np.ones(len(people), dtype=bool)
    accuracy, selection = rates(right, everyone), rates(chosen, everyone)
    hits, alarms = rates(chosen, ought), rates(chosen, ~ought)
    readings = [
        _without_null("accuracy", lambda: share(int(right.sum()), len(right))),
        _without_null(
            "worst_group_accuracy",
            lambda: min((rate(*counts) for counts in accuracy if counts[1]), key=lambda estimate: estimate.value),
        ),
        read_with_null("accuracy_gap", lambda: (gap(accuracy), _null(accuracy))),
    ]
    readings += _each("group_accuracy", accuracy, people)
    readings += _signed("accuracy_difference", accuracy, people)
    if never := [name for number, name in enumerate(people.classes) if not (said == number).any()]:
        why = f"the classifier never predicts the class {never[0]!r}, so rates do not show how it treats groups"
        names = (
            "demographic_parity_gap", "equalised_odds_gap", "selection_rate", "true_positive_rate", "false_positive_rate", "selection_difference",
        )  # fmt: skip
        return [*readings, *(unread(name, why) for name in names)]
    readings += [
        read_with_null("demographic_parity_gap", lambda: (gap(selection), _null(selection))),
        read_with_null("equalised_odds_gap", lambda: (larger(gap(hits, 2), gap(alarms, 2)), _null(hits, alarms))),
    ]
    readings += _each("selection_rate", selection, people) + _each("true_positive_rate", hits, people)
    readings += _each("false_positive_rate", alarms, people) + _signed("selection_difference", selection, people)
    return readings


def _without_null(measure: str, estimate: Callable[[], Estimate], **place: Any) -> Reading:
    return read_with_null(measure, lambda: (estimate(), None), **place)


def _each(measure: str, rates: list[tuple[int, int]], people: LabelledPoints) -> list[Reading]:
    """Return a reading for each group, with the group as its place."""
    return [
        _without_null(measure, lambda counts=counts: rate(*counts), at=name)
        for counts, name in zip(rates, people.groups, strict=True)
    ]


def _signed(measure: str, rates: list[tuple[int, int]], people: LabelledPoints) -> list[Reading]:
    """Return the difference between each group and all others. If there are two groups, it is only the second less the first."""
    counts, sizes = (sum(column) for column in zip(*rates, strict=True))
    shown = list(enumerate(people.groups))[1:] if len(rates) == 2 else enumerate(people.groups)
    return [
        _without_null(
            measure, lambda i=i: difference(rates[i], (counts - rates[i][0], sizes - rates[i][1])), at=f"{name} less the others"
        )
        for i, name in shown
    ]


def _null(*several: list[tuple[int, int]]) -> Null:
    """Return the null distribution of a gap, or of the largest of several gaps, if groups do not differ."""
    if any(n == 0 for rates in several for _, n in rates):
        raise NotApplicable("one of the groups has no record of this kind")
    common = [sum(count for count, _ in rates) / sum(n for _, n in rates) for rates in several]
    return gap_null([[n for _, n in rates] for rates in several], common)
