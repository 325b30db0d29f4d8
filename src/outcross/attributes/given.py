"""A function of the user as an attribute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import InitVar, dataclass
from typing import Any

import numpy as np

from outcross import own_parts
from outcross.errors import BadInput, first_words


@dataclass(frozen=True)
class GivenAttribute:
    """A function from n texts to n numbers. It is identified by its name, and its results decide whether a folder already holds the same work."""

    name: str
    function: InitVar[Callable[[Sequence[str]], Any]]

    def __post_init__(self, function: Callable[[Sequence[str]], Any]):
        object.__setattr__(self, "_call", function)

    @property
    def function_called(self) -> Callable[[Sequence[str]], Any]:
        return self._call  # pyright: ignore[reportAttributeAccessIssue]

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Return the number of each text, (n,); NaN if the function raised an error. Raises BadInput if its results are not numbers."""
        return self.with_complaint(texts)[0]

    def with_complaint(self, texts: Sequence[str]) -> tuple[np.ndarray, str]:
        """Return the number of each text, and the message of the first error that the function raised.

        A single text can make a batch fail. Therefore, if a batch raises an error, the function is called for each text separately.
        """
        call = self._call  # pyright: ignore[reportAttributeAccessIssue]
        try:
            return self._checked(call(list(texts)), len(texts)), ""
        except BadInput:
            raise
        except Exception:
            pass
        values, complaint = np.full(len(texts), np.nan), ""
        for place, text in enumerate(texts):
            try:
                values[place] = self._checked(call([text]), 1)[0]
            except BadInput:
                raise
            except Exception as error:
                complaint = complaint or f"{type(error).__name__}: {first_words(error, 80)}"
        return values, complaint

    @property
    def place(self) -> str:
        """The place `module:function`, by which a loop finds the function again. Raises BadInput if no module defines it."""
        if "<" in self.name or "." in self.name:
            raise BadInput(
                f"a loop needs a function that is defined in a module, so that it can be found again, got {self.name}; define it in a file"
            )
        place = f"{self._call.__module__}:{self.name}"  # pyright: ignore[reportAttributeAccessIssue]
        own_parts.allow(place)
        return place

    def _checked(self, given: Any, n: int) -> np.ndarray:
        try:
            values = np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError):
            raise BadInput(f"{self.name} must return one number per text, got {given!r:.80}") from None
        if values.shape != (n,):
            raise BadInput(f"{self.name} must return one number per text, {n} for {n} texts, got an array of shape {values.shape}")
        return values
