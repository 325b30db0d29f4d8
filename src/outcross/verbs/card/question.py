"""The question of a card: the data, and the folder to write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import Parameter

if TYPE_CHECKING:
    Folder = str | Path
    Words = str | Sequence[str]
else:  # what the command line gives
    Folder = Path
    Words = str


@Parameter(name="*")
@dataclass(frozen=True)
class CardQuestion:
    """Write the dataset card of a mix or of other data, for Hugging Face, Croissant and the EU template.

    The card counts the rows by their origin, and lists what is unknown. It consists of three documents: README.md (the header and the text that
    Hugging Face shows), croissant.json (Croissant 1.1 with PROV), and training-content.md and .json (the synthetic-data items of the EU template).
    """

    data: Folder
    """The folder of a mix, or of data with columns such as _origin and _model."""
    _: KW_ONLY
    out: Folder | None = None
    """The folder to write into; beside the data if left out. Only files that `card` wrote are replaced."""
    name: str = ""
    """The name of the data; the name of the folder if left out."""
    license: str = ""
    """The licence of the data, for example cc-by-4.0; unknown if left out."""
    groups: Words = ""
    """Columns whose values the card counts in addition to the groups of the mix, for example language,topic."""
