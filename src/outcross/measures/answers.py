"""The accuracy of a student's answers, compared with that of its teachers."""

from __future__ import annotations

import numpy as np

from outcross.data.answers import whole
from outcross.estimate import NotApplicable, read_off, share, without_interval
from outcross.measures import Measure, Page
from outcross.recipe import recipe

FENG = "Feng et al., Beyond Model Collapse, ICLR 2025, arXiv 2406.07515"
ONE_RUN = "exact for this student; one run: no interval over seeds"


@recipe
class AnswersMeasure(Measure):
    """Accuracy by an exact check, the student's accuracy less that of the best teacher, and the correctness of the training examples.

    A student gives its most probable answer. The accuracy of a teacher is that of a single sampled answer. Both are over all questions, not over a
    sample. A teacher whose errors are only noise can therefore be surpassed by a vote over its own answers, and a student is such a vote.
    """

    aspect = "risk"
    needs = ("answers",)
    pages = {
        "answer_accuracy": Page(
            "AN1", "accuracy by an exact check", "Share of all questions that are answered correctly: by the most probable answer of a student, or at generation 0 by a single answer of the best teacher.",
            unit="fraction", healthy=1.0, collapsed="0, or 1/K if nothing is learned", worse="smaller",
            role="use", paper=FENG,
        ),
        "student_gain": Page(
            "AN2", "student minus best teacher", "Accuracy of the student less that of the best teacher of generation 0. Above 0 the student surpasses every teacher.",
            unit="difference of accuracies", healthy="above 0", collapsed="minus the accuracy of the best teacher", worse="smaller",
            role="use", lead=1, paper=FENG, range=(-1.0, 1.0),
        ),
        "taught_correct": Page(
            "AN3", "correct examples taught", "Number of records with a correct answer among those that the model learned from.",
            unit="records", healthy="all of them", collapsed="0", worse="smaller",
            role="use", paper=FENG, range=(0.0, float("inf")),
        ),
        "taught_wrong": Page(
            "AN4", "wrong examples taught", "Share of records with a wrong answer among those that the model learned from: pψ/(pψ + (1 − p)φ) behind a verifier.",
            unit="fraction", healthy=0.0, collapsed="1", worse="larger",
            role="use", paper=FENG,
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        truth = evidence.human.known("an exact check")
        if not hasattr(evidence.model, "accuracy"):
            raise NotApplicable("needs a model that answers questions")
        accuracy = evidence.model.accuracy(truth)
        yield read_off("answer_accuracy", lambda: without_interval(accuracy, ONE_RUN))
        yield read_off("student_gain", lambda: _gain(evidence, accuracy))
        taught = evidence.training
        is_right = whole(taught, "answer") == whole(taught, "right")
        yield read_off("taught_correct", lambda: without_interval(float(is_right.sum()), ONE_RUN))
        yield read_off("taught_wrong", lambda: share(int(np.sum(~is_right)), len(is_right)))


def _gain(evidence, accuracy: float):
    best = getattr(evidence.first_model, "best_teacher", None)
    if best is None or getattr(evidence.model, "taught", None) is None:
        raise NotApplicable("the teachers write at generation 0; there is a student only from generation 1 on")
    return without_interval(round(accuracy - best, 12), ONE_RUN)  # rounded, so that equal accuracies differ by exactly 0
