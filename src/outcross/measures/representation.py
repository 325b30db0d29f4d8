"""The shares of cells (class by group) in the records that a generator writes."""

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
    """The shares of classes, groups and cells in a generation's records, as assigned by annotators that were trained on human records.

    The null is the shares that the same annotators assign in the human records that generation 0 learned from. Annotators make errors. Their accuracy
    on held-out people of each cell limits the changes that can be seen and the effect of reparation.
    """

    aspect = "groups"
    needs = ("labelled",)
    pages = {
        "cell_representation": Page(
            "RE1", "share of each cell", "Share of the records of a generation to which the annotators give this class and this group.",
            unit="fraction", healthy="its null: the share in the human records", collapsed="0",
            role="groups", paper=WYLLIE,
        ),
        "group_representation": Page(
            "RE2", "share of each group", "Share of the records of a generation to which the annotator of groups gives this group.",
            unit="fraction", healthy="its null: the share in the human records", collapsed="0",
            role="groups", paper=WYLLIE,
        ),
        "class_representation": Page(
            "RE3", "share of each class", "Share of the records of a generation to which the annotator of classes gives this class.",
            unit="fraction", healthy="its null: the share in the human records", collapsed="0",
            role="groups", paper=WYLLIE,
        ),
        "kept_representation": Page(
            "RE4", "share of each cell in the kept records", "Share of the records that the filters kept, by their assigned class and group.",
            unit="fraction", healthy="equal shares if reparation is requested", collapsed="0",
            role="groups", paper=WYLLIE,
        ),
        "group_annotator": Page(
            "RE5", "annotator of groups", "Share of held-out human records of a cell whose group the annotator predicts correctly.",
            unit="fraction", healthy=1.0, collapsed="that of a guess",
            worse="smaller", role="groups", paper=WYLLIE,
        ),
        "class_annotator": Page(
            "RE6", "annotator of classes", "Share of held-out human records of a cell whose class the annotator predicts correctly.",
            unit="fraction", healthy=1.0, collapsed="that of a guess",
            worse="smaller", role="groups", paper=WYLLIE,
        ),
        "classifier_fill_in": Page(
            "RE7", "fill-ins of the classifier's side", "Share of the classifier's training records that were drawn without regard to their cell, because some cell had too few records.",
            unit="fraction", healthy=0.0, collapsed="1",
            worse="larger", role="decoding", paper=WYLLIE,
        ),
        "largest_cell": Page(
            "RE8", "imbalance of cells", "The largest share of a cell less the smallest, by the annotators' classes and groups of a generation's records.",
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
    """Return the records with the classes and groups of the annotators. Groups that the generator wrote itself are kept."""
    label = most_likely_class(model.of_classes, records.array, len(records.classes))
    by_generator = model.learner.groups == "generator"
    group = records.group if by_generator else most_likely_class(model.of_groups, records.array, len(records.groups))
    return LabelledPoints(records.array, label, group, records.classes, records.groups, records.columns)


def _numbers(records: LabelledPoints, name: str) -> np.ndarray:
    return {"cell": records.cell, "group": records.group, "class": records.label}[name]


def _annotators(model, people: LabelledPoints):
    """Yield the accuracy of each annotator on the held-out people of each cell."""
    asked = [("group_annotator", model.of_groups, people.group, len(people.groups))] if model.learner.groups == "annotator" else []
    for measure, annotator, truth, classes in (*asked, ("class_annotator", model.of_classes, people.label, len(people.classes))):
        right = most_likely_class(annotator, people.array, classes) == truth
        for number, place in enumerate(people.cells):
            inside = people.cell == number
            yield read_with_null(
                measure, lambda inside=inside, right=right: (rate(int(right[inside].sum()), int(inside.sum())), None), at=place
            )
