"""Any result as one HTML file that opens offline: `write(study, "report.html")`."""

from outcross.report.page import write
from outcross.report.study import Answer, Law, PolicyPage, Reading, Run, Sample, Study, join

__all__ = [
    "Answer",
    "Law",
    "PolicyPage",
    "Reading",
    "Run",
    "Sample",
    "Study",
    "join",
    "write",
]
