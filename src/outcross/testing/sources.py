"""The promises of sources."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import binom, norm

from outcross.data import Human
from outcross.data.records import Counts
from outcross.errors import BadInput
from outcross.testing.promises import Broken, promise, require

DRAWS = 4_000
FALSE_ALARM = 1e-5
"""The chance that a source that draws from its law is said not to; the stream is frozen."""


def form_of(source: Any) -> Any:
    """How text is cut for a test; None for numbers."""
    if not source.is_text:
        return None
    from outcross.models.ngram import Ngram

    return Ngram(tokens="words").form(8)


def opened(source: Any, chains: tuple[int, ...] = (), stream: int = 0) -> Human:
    """Human data of a source; Broken where it gives something else."""
    human = source.open(form_of(source), chains, np.random.default_rng(stream))
    if not isinstance(human, Human):
        raise Broken(f"it must give a Human, got {human!r:.60}; write return Human(training=part_of(HUMAN, records))", "open")
    return human


def chains_of(source: Any) -> list[tuple[int, ...]]:
    """The chains that a source can draw: text has one, and so have records that lie in a file."""
    return [()] if source.is_text or source.inputs() else [(), (3,)]


@promise("It gives as many human training records as its rows, of every chain, and all of them by people.")
def gives_what_is_asked(source: Any) -> None:
    for chains in chains_of(source):
        training = opened(source, chains).training
        rows = getattr(source, "rows", None)
        if not source.is_text and isinstance(rows, int):
            require(len(training) == rows, f"rows is {rows}, it gives {len(training)}", "open")
        require(len(training) > 0, "it gives no record", "open")
        require(training.records.chains == chains, f"chains are {training.records.chains}, {chains} were asked for", "open")
        require({origin.author for origin in training.origins} == {"human"}, "its records are not said to be by people", "open")
        array = getattr(training.records, "array", np.zeros(0))
        require(not np.isnan(np.asarray(array, dtype=float)).any(), "some of its numbers are NaN", "open")


@promise("The same stream gives the same records; of a distribution, another stream gives others.")
def same_stream_same_records(source: Any) -> None:
    records, again, other = (opened(source, (), stream).training.records.digest for stream in (0, 0, 1))
    require(records == again, "the same stream gave other records; draw from the rng that you are given", "open")
    require(
        source.truth is None or records != other,
        "another stream gave the same records; draw from the rng that you are given",
        "open",
    )


@promise("It draws from the law that it names.")
def draws_from_its_law(source: Any) -> None:
    """Means of numbers by their standard error, counts of states by their binomial law: DRAWS records, FALSE_ALARM split over what is compared."""
    truth = source.truth
    if truth is None or not hasattr(truth, "draw"):
        return
    drawn = truth.draw(DRAWS, (), np.random.default_rng(5))
    if isinstance(drawn, Counts):
        law = binom(DRAWS, truth.probabilities)
        fits = np.minimum(law.cdf(drawn.array), law.sf(drawn.array - 1)) > FALSE_ALARM / (2 * drawn.array.size)
        require(fits.all(), "a state comes more or less often than its law says", "truth")
        return
    if not (hasattr(truth, "mean") and hasattr(truth, "covariance")):
        return
    covariance = np.asarray(truth.covariance)
    apart = (drawn.array.mean(axis=0) - truth.mean) / np.sqrt(np.diagonal(covariance) / DRAWS)
    require(np.abs(apart).max() < norm.isf(FALSE_ALARM / (2 * apart.size)), "the mean is not that of its law", "truth")
    values, directions = np.linalg.eigh(covariance)
    squares = np.square((drawn.array - truth.mean) @ directions / np.sqrt(values))  # of mean 1 in every direction
    errors = squares.std(axis=0, ddof=1) / np.sqrt(DRAWS)
    far = np.abs((squares.mean(axis=0) - 1) / errors).max()
    require(far < norm.isf(FALSE_ALARM / (2 * len(values))), "the variance is not that of its law", "truth")


@promise("It says what files it reads by a digest of what they hold.")
def digests_its_files(source: Any) -> None:
    content = source.content()
    require(isinstance(content, str), f"content must be a digest, got {content!r:.60}", "content")
    if any(path.is_file() for path in source.inputs()):
        require(
            content,
            "it names input files, and its content is empty, so that an edited file would be taken for the same data",
            "content",
        )


def outcome(source: Any) -> str:
    """What a source gives, to be compared with what it gives in another process."""
    try:
        return opened(source).training.records.digest
    except BadInput as error:
        return str(error)


PROMISES = (gives_what_is_asked, same_stream_same_records, draws_from_its_law, digests_its_files)
