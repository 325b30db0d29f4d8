"""The type of promises, and the promises that every part of every family must keep."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from outcross import own_source
from outcross.errors import BadInput
from outcross.recipe import Family, plain, read


class Broken(Exception):
    """A promise is broken: the observation, and the method that causes it."""

    def __init__(self, what: str, method: str = ""):
        super().__init__(what)
        self.what, self.method = what, method

    def seen(self, part: Any) -> str:
        """The observation in words, with the class, the file and the line."""
        return f"({own_source.place_of(type(part), self.method)}: {self.what})"


@dataclass(frozen=True)
class Promise:
    """A promise of every member of a family: a sentence and its test."""

    sentence: str
    test: Callable[[Any], None]
    """(part) -> None. It raises Broken if the promise is broken, or any error that the part raises."""

    def __call__(self, part: Any) -> None:
        self.test(part)

    @property
    def name(self) -> str:
        return self.test.__name__


def promise(sentence: str) -> Callable[[Callable[[Any], None]], Promise]:
    """Turn a test of a part into a promise with this sentence."""
    return lambda test: Promise(sentence, test)


def require(holds: Any, what: str, method: str = "") -> None:
    """Raise Broken unless the condition holds."""
    if not holds:
        raise Broken(what, method)


def require_page(page: Any, kind: type, words: tuple[str, ...]) -> None:
    """Raise Broken if a page is not of its family's class, or if one of these fields is empty."""
    require(isinstance(page, kind), f"page must be of class {kind.__name__}, got {page!r:.60}")
    lacking = [name for name in words if not getattr(page, name)]
    require(not lacking, f"its page has no {', '.join(lacking)}")


def require_numbers(values: Any, what: str, method: str) -> None:
    """Raise Broken if a value is not a number."""
    values = np.asarray(values)
    require(values.dtype.kind in "biuf", f"{what} must be numbers, got {values.dtype}", method)
    if bad := int(np.isnan(values.astype(float)).sum()):
        raise Broken(f"{bad:,} of {values.size:,} {what} are NaN", method)


def of_every_part(family: Family) -> tuple[Promise, ...]:
    """The promises that parts of all families share."""

    @promise("It has a docstring that describes it.")
    def says_what_it_is(part: Any) -> None:
        text = inspect.getdoc(type(part)) or ""
        require(
            len(text) > 10 and not text.startswith(f"{type(part).__name__}("),
            "it has no docstring; outcross list prints its first sentence",
        )

    @promise("It is a frozen value: nothing changes its settings.")
    def is_frozen(part: Any) -> None:
        names = [field.name for field in dataclasses.fields(part)]
        try:
            setattr(part, names[0] if names else "anything", 1)
        except dataclasses.FrozenInstanceError:
            return
        raise Broken("a setting could be changed; write @recipe above the class")

    @promise("It is equal to itself after it was written as plain data and read back.")
    def survives_plain_data(part: Any) -> None:
        try:
            data = plain(part)
        except TypeError as error:
            raise Broken(f"a setting is not a plain value: {error}") from None
        again = read(family, data, "part")
        require(again == part, f"{data} reads back as {plain(again)}")

    @promise("It refuses a setting that it does not have.")
    def refuses_unknown_settings(part: Any) -> None:
        try:
            read(family, plain(part) | {"shrae": 1}, "part")
        except BadInput as error:
            require(
                "is not known" in str(error),
                f"its refusal does not say that the setting is not known: {error}; write @recipe above the class",
            )
            return
        except TypeError as error:
            raise Broken(
                f"it refuses with a TypeError ({error}); write @recipe above the class (from outcross.recipe import recipe)"
            ) from None
        raise Broken("it accepted the unknown setting shrae=1")

    return says_what_it_is, is_frozen, survives_plain_data, refuses_unknown_settings


def arrays_of(records: Any) -> list[np.ndarray]:
    """The arrays that records consist of."""
    return [value for value in vars(records).values() if isinstance(value, np.ndarray)]


def unchanged(arrays: Iterable[np.ndarray]) -> Callable[[], bool]:
    """A function that returns whether these arrays still have their present values."""
    arrays = list(arrays)
    copies = [array.copy() for array in arrays]
    return lambda: all(
        np.array_equal(array, copy, equal_nan=array.dtype.kind == "f") for array, copy in zip(arrays, copies, strict=True)
    )
