"""How long does the command line take to answer?

`outcross --help` and `import outcross` are measured as processes of their own, beside an empty Python and beside one that imports torch, which many
tools load before anything else. The target is 0.3 s.
"""

from __future__ import annotations

import sys

from figures import OUTCROSS, Figure, Side, answer, compare, process

PAIRS = 7
TARGET = 0.3


def measure() -> list[Figure]:
    others = [_python("pass"), _python("import torch")]
    asked = {"outcross --help": (*OUTCROSS, "--help"), "import outcross": (sys.executable, "-c", "import outcross")}
    sides = [Side(name, process(lambda command=command: command)) for name, command in asked.items()]
    return [figure for side in sides for figure in compare(side.name, side, others, unit="process", pairs=PAIRS, target=TARGET)]


def _python(code: str) -> Side:
    return Side(f"python -c '{code}'", process(lambda: (sys.executable, "-c", code)))


if __name__ == "__main__":
    answer(__file__, __doc__, measure)
