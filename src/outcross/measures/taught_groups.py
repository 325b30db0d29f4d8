"""Accuracy, on human text, of a classifier of groups that learned from a model's text."""

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
"""Maximum number of groups for which each group has a reading of its own."""


@recipe
class TaughtGroups(Measure):
    """Accuracy on human text of a classifier of groups that learned from a generation's text, and its gap between groups.

    A drawn block has the group of the human block that it continues. The classifier is that of `text_groups`, naive Bayes over letters. The null is
    the same classifier trained on the second human sample.
    """

    aspect = "groups"
    libraries = ("numpy", "scipy", "scikit-learn", "icu4py")
    needs = ("groups",)
    by_default = False
    pages = {
        "taught_accuracy": Page(
            "TG9", "accuracy of a classifier of groups", "Share of held-out human blocks whose group is predicted correctly by a classifier that learned from the drawn text.",
            unit="fraction", healthy="its null: the same for a classifier trained on the second human sample", collapsed="that of a guess",
            worse="smaller", role="groups", paper=WYLLIE,
        ),
        "taught_accuracy_gap": Page(
            "TG10", "gap of a classifier of groups", "Accuracy of a classifier that learned from the drawn text, on held-out human blocks: the largest accuracy of a group less the smallest. One half of the documents chooses the two groups, and the other half gives their difference.",
            unit="difference", healthy="its null: the same for a classifier trained on the second human sample", collapsed="grows",
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
    """Return whether a classifier that learned from some text predicts the group of each held-out block correctly, (n,)."""
    if len(np.unique(learned.groups[learned.groups >= 0])) < 2:
        raise NotApplicable("the text to learn from has fewer than two groups")
    return said_by(fitted_on(learned), held_out.blocks) == held_out.groups


def _accuracy(right: np.ndarray, held_out: BlocksWithGroups, groups: np.ndarray) -> Estimate:
    rows = held_out.of(groups, "held-out")
    document = np.unique(document_of(held_out.blocks)[rows], return_inverse=True)[1]
    return share(totals(right[rows], document), totals(np.ones(rows.size), document), "blocks", "documents")


def _gap(right: np.ndarray, held_out: BlocksWithGroups) -> Estimate:
    return gap(right.astype(float), np.ones(right.size), document_of(held_out.blocks), held_out.groups, "documents")
