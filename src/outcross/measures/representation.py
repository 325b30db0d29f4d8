"""Which cells, class by group, a generator still writes."""

from __future__ import annotations

import numpy as np

from outcross.classifiers import most_likely_class
from outcross.data.labelled import LabelledPoints
from outcross.estimate import null_of, share, without_interval
from outcross.measures import Measure, Page, read_with_null
from outcross.recipe import recipe
from outcross.statistics.rates import rate

WYLLIE = "Wyllie, Shumailov and Papernot, FAccT 2024, arXiv 2403.07857"


@recipe
class Representation(Measure):
    """What shares of classes, groups and cells a generator writes, as the annotators of the human records see them.

    The null is what the same annotators see in the human records that generation 0 learned from. Annotators err: how often they are right about held-out
    people of each cell says how much of a change can be seen, and bounds what reparation can do.
    """

    aspect = "groups"
    needs = ("labelled",)
    pages = {
        "cell_representation": Page(
            "RE1", "share of each cell", "Share of the records of a generation that the annotators give this class and this group.",
            unit="fraction", healthy="its null: the same of the human records", collapsed="0",
            role="groups", paper=WYLLIE,
        ),
        "group_representation": Page(
            "RE2", "share of each group", "Share of the records of a generation that the annotator of groups gives this group.",
            unit="fraction", healthy="its null: the same of the human records", collapsed="0",
            role="groups", paper=WYLLIE,
        ),
        "class_representation": Page(
            "RE3", "share of each class", "Share of the records of a generation that the annotator of classes gives this class.",
            unit="fraction", healthy="its null: the same of the human records", collapsed="0",
            role="groups", paper=WYLLIE,
        ),
        "kept_representation": Page(
            "RE4", "share of each cell in what goes on", "Share of the records that go on, once filters have chosen, by the class and the group that are believed of them.",
            unit="fraction", healthy="equal shares where reparation is asked for", collapsed="0",
            role="groups", paper=WYLLIE,
        ),
        "group_annotator": Page(
            "RE5", "annotator of groups", "Share of held-out human records of a cell whose group the annotator says.",
            unit="fraction", healthy=1.0, collapsed="that of a guess",
            worse="smaller", role="groups", paper=WYLLIE,
        ),
        "class_annotator": Page(
            "RE6", "annotator of classes", "Share of held-out human records of a cell whose class the annotator says.",
            unit="fraction", healthy=1.0, collapsed="that of a guess",
            worse="smaller", role="groups", paper=WYLLIE,
        ),
        "classifier_fill_in": Page(
            "RE7", "fill-ins of the classifier's side", "Share of the records that the classifier learned from that were written to fill up, without regard to their cell, because there were too few of some cell.",
            unit="fraction", healthy=0.0, collapsed="1",
            worse="larger", role="decoding", paper=WYLLIE,
        ),
        "largest_cell": Page(
            "RE8", "imbalance of cells", "The largest share of a cell less the smallest, as the annotators see a generation's records.",
            unit="difference", healthy=0.0, collapsed="1", worse="larger", role="groups", paper=WYLLIE, range=(0.0, 1.0),
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        model, drawn, human = evidence.model, evidence.drawn, evidence.human.training.records
        seen, people = (_annotated(model, side) for side in (drawn, human))
        for name, members in (("cell", seen.cells), ("group", seen.groups), ("class", seen.classes)):
            own, theirs = (_numbers(side, name) for side in (seen, people))
            for number, place in enumerate(members):
                yield read_with_null(
                    f"{name}_representation",
                    lambda own=own, theirs=theirs, number=number: (
                        share(int((own == number).sum()), len(own)),
                        null_of(share(int((theirs == number).sum()), len(theirs))),
                    ),
                    at=place,
                )
        shares = seen.counts / len(seen)
        why = "the largest of several shares: no interval, see the cells"
        yield read_with_null("largest_cell", lambda: (without_interval(float(np.ptp(shares)), why, len(seen)), None))
        if evidence.has("rejected"):
            kept = evidence.kept
            for number, place in enumerate(kept.cells):
                yield read_with_null(
                    "kept_representation",
                    lambda number=number: (share(int((kept.cell == number).sum()), len(kept)), None),
                    at=place,
                )
        if "fill_in" in model.facts:
            yield read_with_null("classifier_fill_in", lambda: (share(model.facts["fill_in"], model.facts["kept"]), None))
        if evidence.has("reference"):
            yield from _annotators(model, evidence.reference)


def _annotated(model, records: LabelledPoints) -> LabelledPoints:
    """The records with the classes and the groups that the annotators give them; a group that the generator writes stays."""
    label = most_likely_class(model.of_classes, records.array, len(records.classes))
    by_generator = model.learner.groups == "generator"
    group = records.group if by_generator else most_likely_class(model.of_groups, records.array, len(records.groups))
    return LabelledPoints(records.array, label, group, records.classes, records.groups, records.columns)


def _numbers(records: LabelledPoints, name: str) -> np.ndarray:
    return {"cell": records.cell, "group": records.group, "class": records.label}[name]


def _annotators(model, people: LabelledPoints):
    """How often each annotator is right about held-out people of each cell."""
    asked = [("group_annotator", model.of_groups, people.group, len(people.groups))] if model.learner.groups == "annotator" else []
    for measure, annotator, truth, classes in (*asked, ("class_annotator", model.of_classes, people.label, len(people.classes))):
        right = most_likely_class(annotator, people.array, classes) == truth
        for number, place in enumerate(people.cells):
            inside = people.cell == number
            yield read_with_null(
                measure, lambda inside=inside, right=right: (rate(int(right[inside].sum()), int(inside.sum())), None), at=place
            )
