"""The tools that a run can be handed to (`outcross export RUN --to NAME`).

A target is a recipe; `files(chosen)` returns the files of the folder that its tool reads, by name: what each holds, or a file to copy. The
name by which the tool knows the folder comes last. It raises BadInput where the tool can do nothing with what was chosen. The verb writes the
folder, whole or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from outcross.recipe import Family

if TYPE_CHECKING:
    from outcross.verbs.export.chosen import Chosen


class Target:
    """A tool, and how a model of a run is written for it."""

    def files(self, chosen: Chosen) -> Mapping[str, str | bytes | Path]:
        raise NotImplementedError


TARGETS: Family = Family({"transformers": "outcross.targets.transformers:Transformers"})
