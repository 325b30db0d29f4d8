"""The step that fits a detector. The loop and `mix` share it.

Its key covers the detector with its settings, the files that it reads, and the texts that it is fitted to.
"""

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
    """The digest of every file that the detector itself reads, by its path."""


def fit_of(asked: SampledDetector | FirstGenerationDetector) -> DetectorFit:
    """The recipe of the step that fits the detector of a filter."""
    return DetectorFit(kind=asked.kind, content={path: content_digest(path) for path in asked.kind.paths})


@verb(
    ("numpy", "polars", "scipy", "icu4py", "pillow"),
    5,
    load=lambda folder, digest, asked, samples, written=None: ReadyDetector.load(folder, asked.kind),
    acts=True,
    given=lambda asked: asked.content,
)
def fit_detector(asked: DetectorFit, samples: Any, written: Any = None, *, rng: np.random.Generator) -> ReadyDetector:
    """Fit a detector to two samples and calibrate it on them. It sees only the texts of the samples, not the origins of their records.

    samples: a pair of samples, or human data. With human data, the AI sample is `written`, which generation 0 wrote for the detector, and the human
    sample is the part that no model learns from and on which no loss is measured. The fit has a random stream of its own, so `rng` is not used.
    """
    if isinstance(samples, Human):
        samples = pair_of_texts(_unlearned(samples), written.texts)
    assert isinstance(samples, SamplePair)
    return ready(asked.kind, samples)


def samples_of(asked: SampledDetector) -> External[SamplePair]:
    """The files of a detector's samples, identified by their content."""
    files = [external(asked.human), external(asked.ai)]
    digest = digest_of([[file.digest for file in files], asked.group, asked.text_column])
    names = {name: digest for file in files for name, digest in file.names.items()}
    return External(digest, asked.samples, [digest for file in files for digest in file.reads], names)


def _unlearned(human: Human) -> Any:
    """The texts of the second human sample. No model learns from it, and no loss is measured on it."""
    if human.holdout is None:
        raise BadInput(
            "a detector in a loop is fitted to human text that no model learns from, but the human data contain no such text; give more text, or lower human.rows"
        )
    return human.holdout.records.texts
