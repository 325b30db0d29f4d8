"""The filters of a mix as steps of the ledger, so that a mix that was stopped does not apply a finished filter again.

The key of a step covers the files of the pools, the rows that earlier filters kept, the filter with its settings, the files that it reads, and the code of the user's functions. A filter with
a function that has no Python code (a callable object) is applied again each time, because nobody can know whether the function is the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np

from outcross.attributes.given import GivenAttribute
from outcross.detecting import fit_detector, fit_of, samples_of
from outcross.detectors.of_samples import SampledDetector
from outcross.files import packed
from outcross.files.whole import read_text, write_whole
from outcross.filters import Selection
from outcross.ledger import External, Ledger, verb
from outcross.ledger.digests import digest_of
from outcross.ledger.external import external
from outcross.recipe import plain, recipe
from outcross.verbs.mix.asked import MixFilter, MixRecipe

Judge = Callable[[Sequence[Any]], Selection]
"""Applies a filter with the given fitted detectors. The filter fits those that are not given."""
ARRAYS, WORDS = "selection.npz", "selection.json"


@recipe
class FilterAsked:
    """A filter with its number in the mix, without the paths of the files that it reads."""

    number: int
    filter: MixFilter


class KeptSelection:
    """The selection of a filter, which can be saved and loaded."""

    def __init__(self, selection: Selection):
        self.selection = selection

    def __len__(self) -> int:
        return len(self.selection.times)

    def save(self, folder: Path) -> None:
        own = self.selection
        arrays = {name: getattr(own, name) for name in ("times", "value", "reason", "match", "weights")}
        packed.save(folder / ARRAYS, **{name: np.asarray(array) for name, array in arrays.items() if array is not None})
        words = {"reasons": own.reasons, "notes": own.notes, "facts": own.facts}
        write_whole(folder / WORDS, json.dumps(words, ensure_ascii=False))

    @classmethod
    def load(cls, folder: Path) -> KeptSelection:
        words = json.loads(read_text(folder / WORDS))
        return cls(
            Selection(
                **packed.load(folder / ARRAYS),  # pyright: ignore[reportArgumentType]
                reasons=tuple(words["reasons"]),
                notes=tuple(words["notes"]),
                facts=words["facts"],
            )
        )


@verb(("numpy", "polars"), 0, load=lambda folder, digest, asked, judge, detectors: KeptSelection.load(folder))
def mix_filter(asked: FilterAsked, judge: Judge, detectors: dict[str, Any], *, rng: np.random.Generator) -> KeptSelection:
    """Apply a filter with its detectors, sorted by their keys. The filter's own random stream is named by its number, so that `rng` is not used."""
    return KeptSelection(judge([detectors[name] for name in sorted(detectors)]))


@dataclass(eq=False)
class FilterSteps:
    """The steps of the filters of one mix."""

    ledger: Ledger
    asked: MixRecipe
    read: str
    """The digest of the data of all pools, in order."""
    keys: list[str] = field(default_factory=list)
    """The keys of the steps that were done or loaded."""

    def __call__(self, number: int, recipe: MixFilter, at: np.ndarray, judge: Judge) -> Selection:
        """Return the selection of a filter. It is loaded if the same step was done before. at: the indices of the candidates, (n,)."""
        codes = [_code_of(function) for function in _functions(recipe.filter)]
        if not all(codes):
            return judge(())
        files = [external(path).digest for path in recipe.filter.paths]
        digest = digest_of([self.read, self._pools, hashlib.sha256(at.tobytes()).hexdigest(), files, codes])
        do = self.ledger.steps(self.asked.seed)
        detectors = {
            f"{place:04d}": do(fit_detector, fit_of(asked), samples_of(asked), part=f"filter {number}")
            for place, asked in enumerate(recipe.filter.detectors)
            if isinstance(asked, SampledDetector)
        }
        step = do(
            mix_filter,
            FilterAsked(number=number, filter=replace(recipe, filter=recipe.filter.without_paths())),
            External(digest, lambda: judge, [], {}),
            detectors,
            part=f"filter {number}",
        )
        self.keys.append(step.key)
        return step.value.selection

    @property
    def _pools(self) -> Any:
        """The settings that affect how the rows of the pools are read."""
        asked = self.asked
        pools = tuple(replace(pool, path=(), weight=None, max_repeats=None) for pool in asked.pools)
        return [plain(pools), list(asked.groups), plain(asked.columns), asked.text_column]


def _functions(part: Any) -> Iterator[Any]:
    """Yield the Python functions that a filter calls."""
    if isinstance(part, GivenAttribute):
        yield part.function_called
    elif is_dataclass(part):
        for name in getattr(part, "functions", ()) if not _holds_given(part) else ():
            yield _named(name)
        for part_field in fields(part):
            yield from _functions(getattr(part, part_field.name))


def _holds_given(part: Any) -> bool:
    return any(isinstance(getattr(part, part_field.name), GivenAttribute) for part_field in fields(part))


def _named(place: str) -> Any:
    import importlib

    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def _code_of(function: Any) -> str:
    """Return the digest of a function's code, its inner functions and the plain values that it refers to; empty if it has no Python code or other values."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return ""
    closed_over = [cell.cell_contents for cell in function.__closure__ or ()]
    values = [*closed_over, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    if not all(isinstance(value, str | int | float | bool | bytes | None | tuple) for value in values):
        return ""  # such a value may change without a change of the code
    return digest_of([function.__module__, function.__qualname__, [*_of_code(code)], [repr(value) for value in values]])


def _of_code(code: CodeType) -> Iterator[str]:
    yield hashlib.sha256(code.co_code).hexdigest()
    yield repr([code.co_names, code.co_varnames])
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _of_code(constant)
        else:
            yield repr(sorted(constant, key=repr) if isinstance(constant, frozenset) else constant)
