"""Every built-in part keeps the promises of its family, and a part that breaks one is told so, with its class and line."""

import broken_parts
import numpy as np
import pytest
from parts_for_contracts import NEEDED, new_part

from outcross import testing
from outcross.errors import BadInput, PromiseBroken
from outcross.measures.use import Use
from outcross.recipe import member, read
from outcross.testing.twice import TWICE, compared

SMALL = {
    ("measures", "radioactivity"): {"watermark": {"key": 42}},
    ("measures", "use"): {"learners": ["linear model"], "fits": 2},
    ("detectors", "blend"): {"detectors": ["ngram", "declared"]},
    ("detectors", "two_sample"): {"trees": 20},
    ("classifiers", "boosting"): {"trees": 8, "min_records_per_leaf": 5},
    ("classifiers", "convolutional"): {"channels": 1, "epochs": 25, "batch": 16},
}
"""Settings by which members are held to promises in little time, or to which the small data of their family fit."""
NUMERIC = [
    name
    for name in testing.table("models")
    if not ({"text", "labelled", "answers"} & {*(cls := member(testing.table("models"), name, "learner")).learns} or cls.trains)
]
"""Learners of numbers that are fitted in closed form; the others are held to the same promises in tests of their own."""
HELD = {
    "policies": list(testing.table("policies")),
    "models": [*NUMERIC, "ngram", "panel", "plurality", "linear_answers"],
    "measures": list(testing.table("measures")),
    "filters": list(testing.table("filters")),
    "attributes": list(testing.table("attributes")),
    "sources": [
        name
        for name in testing.table("sources")
        if not member(testing.table("sources"), name, "source").is_text
        and name not in ("array", "images", "coloured_digits", "labelled_table", "sums", "halfspace")
    ],
    "detectors": [name for name in testing.table("detectors") if name not in ("likelihood", "watermark")],
    "classifiers": list(testing.table("classifiers")),
}
"""Members by family. Learners of texts and of networks, and detectors that need a model's folder, are held to the same promises in tests of their own."""


def part(family, name):
    return read(testing.table(family), {"kind": name} | NEEDED.get(name, {}) | SMALL.get((family, name), {}), "part")


@pytest.mark.parametrize(("family", "name"), [(family, name) for family, names in HELD.items() for name in names])
def test_a_built_in_part_keeps_the_promises_of_its_family(family, name):
    for promise in testing.promises(family):
        if promise is not TWICE:
            assert not testing.seen_against(promise, part(family, name)), promise.sentence


def test_built_in_parts_give_the_same_in_every_process():
    """All at once, in the two processes that `check` starts for a part."""
    few = [(family, name) for family in ("policies", "filters", "sources", "attributes") for name in HELD[family]]
    some = [(family, name) for family in ("models", "measures") for name in ("gaussian", "support") if name in HELD[family]]
    tried = [entry for entry in (*few, *some) if entry[1] != "perplexity"]
    differing = compared([part(family, name) for family, name in tried])
    assert not {name: said for (_, name), said in zip(tried, differing, strict=True) if said}


BROKEN = {
    "TellsTheTime": ("It gives the same in another process", "TellsTheTime.plan (", "reads the clock (time.time)"),
    "FlipsACoin": ("It gives the same in another process", "calls random.random, which reads a global seed"),
    "MixesChains": ("It reads each chain of vectors separately", "MixesChains.__call__ (", "of each alone"),
    "TakesTheWidestChain": ("It reads each chain of vectors separately", "TakesTheWidestChain.__call__ ("),
    "NearTheMiddleOfAll": ("It selects the points of each chain separately", "NearTheMiddleOfAll.select ("),
    "TakesTooMuch": ("It takes at least one record", "TakesTooMuch.plan ("),
    "CountsUp": ("changes neither the inventory", "CountsUp.plan (", "a part may not change what it is given"),
    "Breaks": ("Breaks.plan (", "ZeroDivisionError"),
    "TooFew": ("writes the requested number of records", "TooFewModel.sample ("),
    "KeepsAPickle": ("no saved file is a pickle", "PickledModel.save (", "Python objects"),
    "Centres": ("A fit changes no record", "Centres.fit ("),
    "Sorts": ("A fit changes no record", "Sorts.fit ("),
    "CentresWhatItReads": ("It changes no evidence", "CentresWhatItReads.__call__ (", "a part may not change what it is given"),
    "Unseeded": ("Equal streams give equal fits", "UnseededModel.sample ("),
    "ReadsNaN": ("ReadsNaN.__call__ (", "NaN"),
    "NoPage": ("A reading has a page", "NoPage.__call__ (", "the reading breadth has no page"),
    "TakesTheName": ("names and codes that no other measure uses", "log_variance"),
    "WalksASet": ("It gives the same in another process", "iterate over a set"),
    "Halves": ("times must be whole numbers", "Halves.select ("),
    "NoReasons": ("a reason for every rejected candidate", "NoReasons.select ("),
    "KeepsMore": ("within its bounds", "KeepsMore.bounds ("),
    "OutOfRange": ("outside its range", "OutOfRange.__call__ ("),
    "TooShort": ("array of", "TooShort.__call__ ("),
    "Fewer": ("as many training records as its rows", "Fewer.open (", "rows is 100, but it gives 99"),
    "Shifted": ("draws from the law that it names", "the mean differs from that of its law"),
    "UpsideDown": ("do not get lower scores than human texts", "UpsideDown.fit (", "scores must be higher for a model's texts"),
    "OneScore": ("OneScoreForAll.score (", "for each of", "got an array of shape ()"),
    "ComparesNeighbours": ("does not depend on the texts beside it", "ComparesNeighbours.reader (", "beside others and"),
    "LosesTexts": ("a row for every text", "LosesTexts.reader (", "rows, got shape"),
    "ForgetsItsFit": ("is stored as plain arrays", "ForgetsItsFit.fit (", "which a loop needs"),
    "FitsNothing": ("FitsNothing.fit (", "must return a fitted detector, which has score(features), got None"),
    "GivesVotes": ("GivesVotes.learn (", "gives no probabilities", "a row sums to 2"),
    "IgnoresWeights": ("A record of weight 0 is ignored", "IgnoresWeights.learn ("),
    "NamesEveryClass": (
        "A class without records gets probability 0",
        "NamesEveryClass.learn (",
        "gets probability 0.0333",
    ),
    "PicklesMiddles": ("no saved file is a pickle", "PicklesMiddles.learn (", "Python objects"),
    "TakesNaN": ("numbers that are not finite, are refused", "TakesNaN.fit (", "leave fit as it is"),
}
"""Deliberately broken parts (tests/broken_parts.py), and what is said of each."""


ELSEWHERE = [name for name, (first, *_) in BROKEN.items() if first.startswith("It gives the same in another process")]


def said_of(broken):
    """What is said of a broken part in this process."""
    every = [promise for promise in testing.promises(testing.family_of(broken)) if promise is not TWICE]
    return " | ".join(f"{promise.sentence} {seen}" for promise in every if (seen := testing.seen_against(promise, broken)))


@pytest.mark.parametrize("name", [name for name in BROKEN if name not in ELSEWHERE])
def test_a_broken_promise_is_named_with_the_class_and_the_line(name):
    said = said_of(getattr(broken_parts, name)())
    assert all(words in said for words in BROKEN[name]) and "broken_parts.py, line " in said


def test_what_differs_from_process_to_process_is_named_with_the_class_and_the_line():
    """As one of many, because every check starts two processes."""
    with pytest.raises(PromiseBroken) as refusal:
        testing.check(*(getattr(broken_parts, name)() for name in ELSEWHERE), new_part("policies", "replace"))
    said = dict(zip(ELSEWHERE, str(refusal.value).split(" || "), strict=True))
    for name in ELSEWHERE:
        assert said[name].startswith(f"{name} (") and all(words in said[name] for words in BROKEN[name])


def test_every_family_has_a_broken_part():
    assert {testing.family_of(getattr(broken_parts, name)()) for name in BROKEN} == set(testing.FAMILIES)


def test_check_says_every_broken_promise_on_one_line_and_which_ones_are_kept(monkeypatch):
    monkeypatch.setattr(testing, "seen_elsewhere", lambda parts: [""] * len(parts))
    with pytest.raises(
        PromiseBroken, match=r"^TakesTooMuch \(.*broken_parts\.py, line \d+\) breaks \d promises of policies: It"
    ) as refusal:
        testing.check(broken_parts.TakesTooMuch(), broken_parts.TooFew())
    assert "\n" not in str(refusal.value) and " || TooFew (" in str(refusal.value)
    assert len(testing.check(new_part("policies", "replace"))) == len(testing.promises("policies"))


def test_a_cause_that_breaks_several_promises_is_said_once(monkeypatch):
    monkeypatch.setattr(testing, "seen_elsewhere", lambda parts: [""] * len(parts))
    with pytest.raises(PromiseBroken, match=r"breaks \d promises of policies: It .*, which breaks \d others too\)$") as refusal:
        testing.check(broken_parts.Breaks())
    assert str(refusal.value).count("ZeroDivisionError") == 1 and len(str(refusal.value)) < 400
    with pytest.raises(PromiseBroken) as refusal:
        testing.check(broken_parts.TakesLessThanNothing())
    assert str(refusal.value).count("rows of a Take must be a whole number from 0, got -10") == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "NoArguments",
            r"has NoArguments\.plan \(.*broken_parts\.py, line \d+\) with the arguments \(self\); it is called with \(self, inventory\)",
        ),
        ("NoPlan", r"has no plan; write def plan\(self, inventory\)"),
        ("Thawed", "is not a frozen value; write @recipe above the class"),
        ("Replace", "has the name of a built-in part, replace; rename the class"),
        ("LearnsNothing", "has no attribute learns; write learns = … in the class"),
    ],
)
def test_what_cannot_be_a_member_is_refused_before_it_is_tried(name, said):
    with pytest.raises(BadInput, match=said):
        testing.check(getattr(broken_parts, name)())


def test_check_takes_an_instance_of_a_family():
    with pytest.raises(BadInput, match=r"write check\(Use\(…\)\)"):
        testing.check(Use)
    with pytest.raises(BadInput, match=r"ndarray is a member of no family; derive it from one of outcross\.policies\.Policy"):
        testing.check(np.zeros(3))


def test_every_open_family_has_its_promises():
    from outcross.verbs.parts import FAMILIES

    assert {name for name, members in FAMILIES.items() if members.is_open} == set(testing.FAMILIES)
    assert set(NEEDED) <= {name for members in FAMILIES.values() for name in members}
    assert read(testing.table("policies"), "replace", "policy") == new_part("policies", "replace")
