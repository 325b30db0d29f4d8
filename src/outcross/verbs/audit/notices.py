"""An audit in the formats of continuous integration: JUnit XML and annotations of GitHub Actions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from outcross.escapes import escaped, shortened
from outcross.verbs.audit.sentences import finding, phrase_of, value_of

if TYPE_CHECKING:
    from outcross.verbs.audit.check import Check
    from outcross.verbs.audit.result import Audit

ANNOTATIONS = 10
"""Maximum number of errors of one step that GitHub shows."""
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # characters that XML 1.0 does not allow


def junit(audits: Iterable[Audit]) -> str:
    """Return the audits as JUnit XML with one suite per set and one case per check.

    Losses and inventions are failures; checks without an answer are skipped.
    """
    suites = ElementTree.Element("testsuites", name="outcross audit")
    for audit in audits:
        failed, skipped = audit.of("lost", "invented"), audit.of("cannot_tell", "not_applicable")
        counts = {"tests": str(len(audit.every)), "failures": str(len(failed)), "errors": "0", "skipped": str(len(skipped))}
        suite = ElementTree.SubElement(suites, "testsuite", {"name": _clean(audit.name), **counts})
        for check in audit.every:
            suite.append(_case(check))
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def _case(check: Check) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase", classname=f"{check.aspect}.{check.metric}", name=_clean(f"{check.code} {phrase_of(check)}")
    )
    if check.verdict in ("lost", "invented"):
        failure = ElementTree.SubElement(case, "failure", type=check.verdict, message=_clean(finding(check)))
        failure.text = _clean(check.why)
    elif check.verdict != "kept":
        ElementTree.SubElement(case, "skipped", message=_clean(f"{check.verdict.replace('_', ' ')}: {check.why}"))
    else:
        ElementTree.SubElement(case, "system-out").text = _clean(value_of(check))
    return case


def github(audits: Iterable[Audit]) -> Iterator[str]:
    """Yield workflow commands that GitHub Actions shows beside a change: the summary of each set, then its worst losses and inventions."""
    for audit in audits:
        failed = audit.of("lost", "invented")
        yield _command("error" if failed else "notice", f"Outcross audit: {audit.name}", audit.summary)
        for check in failed[: ANNOTATIONS - 1]:
            yield _command("error", f"{check.verdict} in {check.aspect}", finding(check))


def _command(level: str, title: str, message: str) -> str:
    """Return one workflow command. The text is escaped, so that it cannot end the command or begin another one.

    >>> _command("error", "a, b: c", "50 %\\n::error::no")
    '::error title=a%2C b%3A c::50 %25 ::error::no'
    """
    said = _escaped(shortened(title, 200)).replace(":", "%3A").replace(",", "%2C")
    return f"::{level} title={said}::{_escaped(shortened(message, 1_000))}"


def _escaped(text: str) -> str:
    return escaped(" ".join(text.split())).replace("%", "%25")


def _clean(text: str) -> str:
    """Replace characters that XML does not allow. ElementTree escapes the rest."""
    return _NO_XML.sub("�", text)


__all__ = ["github", "junit"]
