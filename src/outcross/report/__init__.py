"""Writes results as one HTML file that opens offline: `write(study, "report.html")`."""

from outcross.report.page import write
from outcross.report.study import Law, Making, PolicyPage, ShownAnswer, ShownReading, ShownSample, Study, join

__all__ = [
    "Law",
    "Making",
    "PolicyPage",
    "ShownAnswer",
    "ShownReading",
    "ShownSample",
    "Study",
    "join",
    "write",
]
