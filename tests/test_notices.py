"""An audit for machines that gate a change."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from outcross import audit
from outcross.errors import BadInput
from outcross.verbs.audit.baseline import since
from outcross.verbs.audit.notices import github, junit


@pytest.fixture(scope="module")
def audited():
    """An audit with losses, kept checks and checks that say nothing."""
    rng = np.random.default_rng(0)
    human, narrow = rng.normal(size=(1500, 2)), rng.normal(size=(1500, 2)) * [0.6, 1]
    return audit(narrow, reference=human, aspects=("spread", "structure"))


def test_junit_counts_every_check_and_fails_those_that_are_lost(audited):
    (suite,) = ElementTree.fromstring(junit([audited]))
    cases = suite.findall("testcase")
    failed = [case for case in cases if case.find("failure") is not None]
    assert len(failed) == len(audited.of("lost", "invented")) == int(suite.attrib["failures"]) > 0
    assert len(cases) == len(audited.every) == int(suite.attrib["tests"])
    assert int(suite.attrib["skipped"]) == len(audited.of("cannot_tell", "not_applicable")) == len(suite.findall("*/skipped"))
    assert any("variance" in case.attrib["name"] for case in failed)


HOSTILE = 'x"/><failure/>\x00\x1b[2J\n::error::no %0A'


def test_what_the_data_say_ends_no_element_and_no_command(audited):
    hostile = replace(audited, name=HOSTILE, every=tuple(replace(check, column=HOSTILE, why=HOSTILE) for check in audited.every))
    (suite,) = ElementTree.fromstring(junit([hostile]))
    assert {child.tag for child in suite} == {"testcase"}
    assert len(suite.findall("*/failure")) == len(audited.of("lost", "invented"))
    lines = list(github([hostile]))
    assert all(line.startswith("::error title=") and "\n" not in line and "\x1b" not in line for line in lines)
    assert all(":" not in line.split("::")[1] for line in lines)


def test_github_gets_the_sentence_and_then_the_losses(audited):
    first, *rest = github([audited])
    assert first.startswith("::error title=Outcross audit%3A synthetic::") and len(rest) == min(
        9, len(audited.of("lost", "invented"))
    )
    kept = replace(audited, every=tuple(check for check in audited.every if check.verdict == "kept"))
    (only,) = github([kept])
    assert only.startswith("::notice")


def test_only_what_got_worse_is_told(audited):
    assert since([audited], [audited]) == {"synthetic": []}
    better = replace(audited, every=tuple(replace(check, verdict="kept") for check in audited.every))
    assert since([audited], [better])["synthetic"] == audited.of("lost", "invented")
    assert since([audited], [replace(audited, every=())])["synthetic"] == audited.of("lost", "invented")
    lost = next(check for check in audited.of("lost") if check.metric == "variance")
    deeper = replace(lost, value=lost.low / 2, low=lost.low / 3, high=lost.low / 1.5)
    assert since([replace(audited, every=(deeper,))], [audited]) == {"synthetic": [deeper]}
    assert since([replace(audited, every=(replace(lost, high=lost.low),))], [replace(audited, every=(deeper,))]) == {
        "synthetic": []
    }


def test_a_set_without_a_former_audit_is_named(audited):
    with pytest.raises(BadInput, match="the baseline has no audit of 'new'; it has synthetic, other"):
        since([replace(audited, name="new")], [audited, replace(audited, name="other")])
