"""The step that fits a detector, which the loop and `mix` share: its key covers the detector with its settings, the files that it reads, and the texts that it is fitted to."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from outcross.data import Human
from outcross.detectors import DETECTORS, Detector
from outcross.detectors.of_samples import (
    FirstGenerationDetector,
    ReadyDetector,
    SampledDetector,
    SamplePair,
    pair_of_texts,
    ready,
)
from outcross.errors import BadInput
from outcross.files.reading import content_digest
from outcross.ledger import External, verb
from outcross.ledger.digests import digest_of
from outcross.ledger.external import external
from outcross.recipe import one_of, recipe


@recipe
class DetectorFit:
    """A detector that is to be fitted."""

    kind: Annotated[Detector, one_of(DETECTORS, "detector.kind")]
    content: dict[str, str]
    """The digest of every file that the detector reads itself, by its name."""


def fit_of(asked: SampledDetector | FirstGenerationDetector) -> DetectorFit:
    """The recipe of the step that fits what a filter asks for."""
    return DetectorFit(kind=asked.kind, content={path: content_digest(path) for path in asked.kind.paths})


@verb(
    ("numpy", "polars", "scipy", "icu4py", "pillow"),
    5,
    load=lambda folder, digest, asked, samples, written=None: ReadyDetector.load(folder, asked.kind),
    acts=True,
    given=lambda asked: asked.content,
)
def fit_detector(asked: DetectorFit, samples: Any, written: Any = None, *, rng: np.random.Generator) -> ReadyDetector:
    """Fit a detector to two samples and calibrate it on them. It sees their texts, and of no record where it comes from.

    samples: a pair of samples, or human data, beside which stands what generation 0 has `written` for the detector. Of human data those records are read
    that no model learns from and no loss is measured on. The random stream of the fit is its own, so that `rng` is not needed.
    """
    if isinstance(samples, Human):
        samples = pair_of_texts(_unlearned(samples), written.texts)
    assert isinstance(samples, SamplePair)
    return ready(asked.kind, samples)


def samples_of(asked: SampledDetector) -> External[SamplePair]:
    """The files of a detector's samples, told apart by what they hold."""
    files = [external(asked.human), external(asked.ai)]
    digest = digest_of([[file.digest for file in files], asked.group, asked.text_column])
    names = {name: digest for file in files for name, digest in file.names.items()}
    return External(digest, asked.samples, [digest for file in files for digest in file.reads], names)


def _unlearned(human: Human) -> Any:
    """The texts of the second human sample: no model learns from it, and no loss is measured on it."""
    if human.holdout is None:
        raise BadInput(
            "a detector of a loop is fitted to human text that no model learns from, and the human data hold no such text; give more text, or lower human.rows"
        )
    return human.holdout.records.texts
