"""What a classifier knows of people's groups that learned them from a model's text."""

from __future__ import annotations

from functools import cache

import numpy as np

from outcross.estimate import Estimate, NotApplicable, read_off
from outcross.measures import Measure, Page
from outcross.measures.text_groups import BlocksWithGroups, Grouped, fitted_on, gap, said_by
from outcross.recipe import recipe
from outcross.statistics.clusters import document_of, share, totals

WYLLIE = "Wyllie, Shumailov and Papernot, Fairness Feedback Loops, FAccT 2024, arXiv 2403.07857"
FEW_GROUPS = 8
"""Groups up to which each has a reading of its own."""


@recipe
class TaughtGroups(Measure):
    """How right a classifier of groups is about people that learned from a generation's text, and how unequal to their groups.

    A drawn block has the group of the human block that it continues. The classifier is that of `text_groups`, naive Bayes of letters. The null is the same
    classifier once it has learned from the second human sample.
    """

    aspect = "groups"
    libraries = ("numpy", "scipy", "scikit-learn", "icu4py")
    needs = ("groups",)
    by_default = False
    pages = {
        "taught_accuracy": Page(
            "TG9", "groups that a classifier has learned", "Share of held-out human blocks whose group is said by a classifier that learned from the drawn text.",
            unit="fraction", healthy="its null: the same, learned from the second human sample", collapsed="that of a guess",
            worse="smaller", role="groups", paper=WYLLIE,
        ),
        "taught_accuracy_gap": Page(
            "TG10", "gap of what a classifier has learned", "Of a classifier that learned from the drawn text, the share of held-out human blocks that it is right about in the group where it is largest less that in the group where it is smallest; which they are is said by one half of the documents and read off the other.",
            unit="difference", healthy="its null: the same, learned from the second human sample", collapsed="grows",
            worse="larger", role="groups", paper=WYLLIE, range=(-1.0, 1.0),
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        human = evidence.human.training.records
        if not (human.column("_group") != "").any():
            raise NotApplicable("the human data have no groups")
        grouped = Grouped(human)
        held_out = grouped.own(evidence.reference)

        @cache
        def taught():
            return _right(grouped.prompted(evidence.drawn), held_out)

        @cache
        def by_people():
            return _right(grouped.own(evidence.holdout), held_out)

        ones = list(grouped.ones.items()) if len(grouped.names) <= FEW_GROUPS else []
        for place, groups in [("", grouped.all), *ones]:
            yield read_off(
                "taught_accuracy",
                lambda groups=groups: _accuracy(taught(), held_out, groups),
                null=lambda groups=groups: _accuracy(by_people(), held_out, groups),
                at=place,
            )
        yield read_off("taught_accuracy_gap", lambda: _gap(taught(), held_out), null=lambda: _gap(by_people(), held_out))


def _right(learned: BlocksWithGroups, held_out: BlocksWithGroups) -> np.ndarray:
    """Whether a classifier that learned from some text is right about each held-out block, (n,)."""
    if len(np.unique(learned.groups[learned.groups >= 0])) < 2:
        raise NotApplicable("there is text of fewer than two groups to learn from")
    return said_by(fitted_on(learned), held_out.blocks) == held_out.groups


def _accuracy(right: np.ndarray, held_out: BlocksWithGroups, groups: np.ndarray) -> Estimate:
    rows = held_out.of(groups, "held-out")
    document = np.unique(document_of(held_out.blocks)[rows], return_inverse=True)[1]
    return share(totals(right[rows], document), totals(np.ones(rows.size), document), "blocks", "documents")


def _gap(right: np.ndarray, held_out: BlocksWithGroups) -> Estimate:
    return gap(right.astype(float), np.ones(right.size), document_of(held_out.blocks), held_out.groups, "documents")
