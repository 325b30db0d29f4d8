"""Any result as one HTML file that opens offline: `write(study, "report.html")`."""

from outcross.report.page import write
from outcross.report.study import Answer, Law, Making, PolicyPage, Reading, Sample, Study, join

__all__ = [
    "Answer",
    "Law",
    "Making",
    "PolicyPage",
    "Reading",
    "Sample",
    "Study",
    "join",
    "write",
]
