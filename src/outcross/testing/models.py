"""The promises of learners and of the models that they fit."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from outcross.data.records import Vectors
from outcross.errors import BadInput
from outcross.models.draw import Draw
from outcross.models.schedule import Schedule, Scratch
from outcross.sources import SOURCES, Gathering
from outcross.testing.promises import Broken, arrays_of, promise, require, require_numbers, unchanged

HUMAN = {
    "vectors": ({"kind": "normal", "rows": 30, "dimensions": 2}, {"kind": "uniform", "rows": 30}),
    "counts": ({"kind": "categorical", "rows": 30},),
    "blobs": ({"kind": "blobs", "rows": 40},),
    "pairs": ({"kind": "regression", "rows": 30},),
    "images": ({"kind": "images", "rows": 40},),
    "labelled": ({"kind": "coloured_digits", "rows": 150},),
    "answers": ({"kind": "sums", "rows": 60}, {"kind": "halfspace", "rows": 60, "dimensions": 3}),
}
"""Human data for a learner, by the kind of records that it learns. The first data that it can be fitted to are used."""
WORDS = [
    "the",
    "rain",
    "falls",
    "on",
    "green",
    "hills",
    "and",
    "the",
    "rivers",
    "sleep",
    "under",
    "snow",
    "while",
    "a",
    "small",
    "cat",
    "watches",
    "people",
    "walk",
    "home",
]
"""The words of the small texts."""


class Bench:
    """A learner, human data that it learns from, and a model that is fitted to them."""

    def __init__(self, learner: Any, chains: int = 1):
        self.learner = learner
        failures = []
        for source in self._sources():
            try:
                self._fit(source, chains)
                return
            except BadInput as error:
                failures.append(str(error))
        raise BadInput("; ".join(failures) or f"there are no test data for a learner of {learner.learns}")

    def _sources(self) -> list[dict[str, Any]]:
        kinds = self.learner.learns
        if isinstance(kinds, str) or not isinstance(kinds, tuple) or not kinds:
            raise Broken(f'learns must name kinds of records, got {kinds!r:.80}; write learns = ("vectors",)')
        if "text" in kinds:
            return [{"kind": "path", "path": _texts(), "rows": 30, "held_out": 0.2}]
        unknown = [kind for kind in kinds if kind not in HUMAN]
        if len(unknown) == len(kinds):
            raise Broken(f"learns names {unknown}; known kinds are text, {', '.join(HUMAN)}")
        return [source for kind in kinds for source in HUMAN.get(kind, ())]

    def _fit(self, source: dict[str, Any], chains: int) -> None:
        rng = np.random.default_rng
        form = self.learner.form(8) if "text" in self.learner.learns else None
        self.human = Gathering(source=source_of(source), form=form, chains=chains).open(rng(0))
        self.records = self.human.training.records
        self.is_as_drawn = unchanged(arrays_of(self.records))
        self.schedule = self.learner.schedule(Schedule(steps=2, batch=8, start=Scratch())) if self.learner.trains else None
        self.start = self.learner.begin(self.human, self.schedule, rng(1))
        self.model = self.fitted()

    def fitted(self, records: Any = None) -> Any:
        """A model that is fitted to the human records, or to other records if they are given."""
        model = self.learner.fit(
            self.records if records is None else records, None, self.start, self.schedule, np.random.default_rng(2)
        )
        for method in ("sample", "log_prob", "save"):
            require(callable(getattr(model, method, None)), f"it must return a model with {method}, got {model!r:.80}", "fit")
        return model

    def sample(self, model: Any, n: int = 11, seed: int = 5, temperature: float = 1.0) -> Any:
        """The records that a model writes, after human prompts if it takes prompts."""
        draw = Draw(records=n, temperature=temperature, prompts="human" if "text" in self.learner.learns else "none")
        prompts = self.records if {"text", "pairs", "answers"} & set(self.learner.learns) else None
        return model.sample(draw, prompts, np.random.default_rng(seed))

    def stored(self) -> Any:
        """The model after it was saved to a folder and read back."""
        with tempfile.TemporaryDirectory() as folder:
            self.model.save(Path(folder))
            files = [path for path in Path(folder).rglob("*") if path.is_file()]
            if pickled := next((path.name for path in files if path.suffix in (".pkl", ".pickle", ".pt")), ""):
                raise Broken(
                    f"{_place(self.model, 'save')} writes {pickled}, a pickle, which runs code when it is read; write .npz, .json or .safetensors"
                )
            for path in files:
                if path.suffix in (".npz", ".npy"):
                    _check_plain_arrays(path, self.model)
            model = self.learner.load(Path(folder))
            digest(self.sample(model, 1))  # so that lazy reads happen while the folder exists
            return model


def source_of(settings: dict[str, Any]) -> Any:
    from outcross.recipe import read

    return read(SOURCES, settings, "human")


def _texts() -> str:
    folder = Path(tempfile.gettempdir()) / "outcross-testing"
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(3)
    text = "\n\n".join(" ".join(rng.choice(WORDS, 40)) + "." for _ in range(60))
    path = folder / "texts.txt"
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)
    return str(path)


def _check_plain_arrays(path: Path, model: Any) -> None:
    try:
        with np.load(path, allow_pickle=False) as stored:
            for name in stored.files if hasattr(stored, "files") else ():
                _ = stored[name]
    except (ValueError, AttributeError) as error:
        if "pickle" in str(error).lower():
            raise Broken(
                f"{_place(model, 'save')} writes {path.name} with Python objects in it, which are pickled; write numbers and words"
            ) from None


def digest(records: Any) -> str:
    """The digest of the content of records."""
    return records.digest


def is_finite(records: Any) -> bool:
    return not hasattr(records, "array") or bool(np.isfinite(np.asarray(records.array, dtype=float)).all())


@promise("Its model writes the requested number of records, of the kind that it learned, and none of them is NaN.")
def writes_what_is_asked(learner: Any) -> None:
    bench = Bench(learner)
    for n in (1, 11):
        drawn = bench.sample(bench.model, n)
        require(
            hasattr(drawn, "__len__") and hasattr(drawn, "save"),
            f"sample gave {drawn!r:.60}, which is not a set of records; write Vectors(array)",
            "fit",
        )
        require(
            len(drawn) == n, f"sample gave {len(drawn)} records, but {n} were requested ({_place(bench.model, 'sample')})", "fit"
        )
        require(drawn.kind == bench.records.kind, f"sample gave {drawn.kind}, but it learned {bench.records.kind}", "fit")
        require(is_finite(drawn), f"sample gave NaN or infinite numbers ({_place(bench.model, 'sample')})", "fit")


@promise("Equal streams give equal fits and equal records, and other streams give other records.")
def same_stream_same_records(learner: Any) -> None:
    bench = Bench(learner)
    records, again, other = (bench.sample(bench.model, 40, seed) for seed in (5, 5, 6))
    require(digest(records) == digest(again), f"the same stream gave other records ({_place(bench.model, 'sample')})", "fit")
    require(
        digest(records) != digest(other),
        f"another stream gave the same records: sample must draw from the rng that it is given ({_place(bench.model, 'sample')})",
        "fit",
    )
    require(digest(bench.sample(bench.fitted(), 40)) == digest(records), "the same records and stream gave another fit", "fit")


@promise("A model that was saved and loaded writes the same records, and no saved file is a pickle.")
def keeps_without_pickle(learner: Any) -> None:
    bench = Bench(learner)
    stored = bench.stored()
    for temperature in (1.0, 0.8):
        try:
            written = digest(bench.sample(bench.model, temperature=temperature))
        except BadInput:
            continue  # for example, p^(1/temperature) of a sum of densities has no exact sampler
        require(digest(bench.sample(stored, temperature=temperature)) == written, "the loaded model writes other records", "load")


@promise("Its model gives each record a finite log-probability in nats.")
def has_log_prob(learner: Any) -> None:
    bench = Bench(learner)
    nats = np.asarray(bench.model.log_prob(bench.records))
    require_numbers(nats, "log-probabilities", "fit")
    require(np.isfinite(nats).all(), "a record that it was fitted to has no finite log-probability", "fit")


@promise("A fit changes no record.")
def changes_no_record(learner: Any) -> None:
    bench = Bench(learner)
    require(bench.is_as_drawn(), "the records were changed", "fit")
    bench.model.log_prob(bench.records)
    bench.sample(bench.model)
    require(bench.is_as_drawn(), f"the records were changed by its model ({_place(bench.model, 'log_prob')})", "fit")


@promise("It fits many chains of vectors at once, each as it would be fitted alone.")
def fits_chains_alike(learner: Any) -> None:
    if "vectors" not in learner.learns or learner.trains or len(learner.learns) > 1:
        return
    bench = Bench(learner, chains=3)
    drawn = bench.sample(bench.model, 7)
    require(drawn.array.shape[:2] == (3, 7), f"for 3 chains it must write (3, 7, d) numbers, got {drawn.array.shape}", "fit")
    together = np.asarray(bench.model.log_prob(bench.records))
    require(
        together.shape == bench.records.array.shape[:-1],
        f"log_prob of 3 chains must have shape {bench.records.array.shape[:-1]}, got {together.shape}",
        "fit",
    )
    own_records = Vectors(bench.records.array[1])
    alone = replace_start(bench, own_records).log_prob(own_records)
    if not (np.isfinite(alone).all() and np.isfinite(together).all()):
        return
    require(np.allclose(together[1], alone, rtol=1e-6, atol=1e-6), "a chain is fitted differently if there are other chains", "fit")


def replace_start(bench: Bench, records: Any) -> Any:
    """A model that is fitted to records without a start."""
    return bench.learner.fit(records, None, None, bench.schedule, np.random.default_rng(2))


def _place(model: Any, method: str) -> str:
    from outcross import own_source

    return own_source.place_of(type(model), method)


def outcome(learner: Any) -> str:
    """The records and log-probabilities of a learner's model, to be compared with those in another process."""
    bench = Bench(learner)
    return repr([digest(bench.sample(bench.model)), np.asarray(bench.model.log_prob(bench.records)).tobytes().hex()[:4000]])


PROMISES = (
    writes_what_is_asked,
    same_stream_same_records,
    keeps_without_pickle,
    has_log_prob,
    changes_no_record,
    fits_chains_alike,
)
__all__ = ["PROMISES", "Bench", "outcome", "replace"]
