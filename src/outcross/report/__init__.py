"""Writes results as one HTML file that opens offline: `write(study, "report.html")`.

A `study` is what a report shows, whatever its source. `page` puts the report of runs together from `headline` (its first sentences), `sections`
(a measure each), `response`, `crossings`, `frontier` and `slopes` (arms that differ in a number), `multiples`, `histograms`, `profile`, `pictures`,
`texts` and `choosing`. `curves` makes curves from readings, `differences` compares them, `charts` turns them into Vega-Lite on `axes`, and `drawing`
makes SVG of that. A `figure` is a chart with its data that can be saved: those of runs are in `plots`, of audits and mixes in `sides` and `shapes`, of
forecasts in `fans`. `plain` is a page for any other result; `templates`, `numerals` and `characters` serve all pages.
"""

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
