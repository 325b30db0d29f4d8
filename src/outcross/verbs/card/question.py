"""Of what a card is to be written, and where it goes."""

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
    """Write what is in a mix, exactly and with what nobody knows: a Hugging Face dataset card (README.md), Croissant 1.1 (croissant.json), and the synthetic-data items of the EU template on training content (training-content.md and .json)."""

    data: Folder
    """The folder of a mix, or of data with columns such as _origin and _model."""
    _: KW_ONLY
    out: Folder | None = None
    """The folder to write into; beside the data if left out. Nothing that `card` did not write is replaced."""
    name: str = ""
    """What the data are called; the name of the folder if left out."""
    license: str = ""
    """The licence of the data, as in cc-by-4.0; unknown if left out."""
    groups: Words = ""
    """Columns by whose values the card counts, as in language,topic, beside the groups of the mix."""
