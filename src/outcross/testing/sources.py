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
"""Probability of a false alarm: a source that draws from its law fails the test. The random stream is fixed."""


def form_of(source: Any) -> Any:
    """The form into which text is cut for a test; None for numbers."""
    if not source.is_text:
        return None
    from outcross.models.ngram import Ngram

    return Ngram(tokens="words").form(8)


def opened(source: Any, chains: tuple[int, ...] = (), stream: int = 0) -> Human:
    """The human data of a source. Raises Broken if it returns something else."""
    human = source.open(form_of(source), chains, np.random.default_rng(stream))
    if not isinstance(human, Human):
        raise Broken(f"it must return a Human, got {human!r:.60}; write return Human(training=part_of(HUMAN, records))", "open")
    return human


def chains_of(source: Any) -> list[tuple[int, ...]]:
    """The numbers of chains that a source can draw. Text and records from a file have a single chain."""
    return [()] if source.is_text or source.inputs() else [(), (3,)]


@promise("It gives as many training records as its rows in every chain, and all of them are human.")
def gives_what_is_asked(source: Any) -> None:
    for chains in chains_of(source):
        training = opened(source, chains).training
        rows = getattr(source, "rows", None)
        if not source.is_text and isinstance(rows, int):
            require(len(training) == rows, f"rows is {rows}, but it gives {len(training)}", "open")
        require(len(training) > 0, "it gives no record", "open")
        require(training.records.chains == chains, f"its chains are {training.records.chains}, but {chains} were requested", "open")
        require({origin.author for origin in training.origins} == {"human"}, "its records do not have the author human", "open")
        array = getattr(training.records, "array", np.zeros(0))
        require(not np.isnan(np.asarray(array, dtype=float)).any(), "some of its numbers are NaN", "open")


@promise("The same stream gives the same records, and another stream gives other records of a distribution.")
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
    """Compare means and variances with their standard errors, and counts of states with their binomial law.

    DRAWS records are drawn, and FALSE_ALARM is split over all comparisons.
    """
    truth = source.truth
    if truth is None or not hasattr(truth, "draw"):
        return
    drawn = truth.draw(DRAWS, (), np.random.default_rng(5))
    if isinstance(drawn, Counts):
        law = binom(DRAWS, truth.probabilities)
        fits = np.minimum(law.cdf(drawn.array), law.sf(drawn.array - 1)) > FALSE_ALARM / (2 * drawn.array.size)
        require(fits.all(), "a state is more or less frequent than its law says", "truth")
        return
    if not (hasattr(truth, "mean") and hasattr(truth, "covariance")):
        return
    covariance = np.asarray(truth.covariance)
    apart = (drawn.array.mean(axis=0) - truth.mean) / np.sqrt(np.diagonal(covariance) / DRAWS)
    require(np.abs(apart).max() < norm.isf(FALSE_ALARM / (2 * apart.size)), "the mean differs from that of its law", "truth")
    values, directions = np.linalg.eigh(covariance)
    squares = np.square((drawn.array - truth.mean) @ directions / np.sqrt(values))  # their mean is 1 in every direction
    errors = squares.std(axis=0, ddof=1) / np.sqrt(DRAWS)
    far = np.abs((squares.mean(axis=0) - 1) / errors).max()
    require(far < norm.isf(FALSE_ALARM / (2 * len(values))), "the variance differs from that of its law", "truth")


@promise("It identifies the files that it reads by a digest of their content.")
def digests_its_files(source: Any) -> None:
    content = source.content()
    require(isinstance(content, str), f"content must be a digest, got {content!r:.60}", "content")
    if any(path.is_file() for path in source.inputs()):
        require(
            content,
            "it names input files but its content is empty, so an edited file would be taken for the same data",
            "content",
        )


def outcome(source: Any) -> str:
    """The digest of a source's records, to be compared with the one in another process."""
    try:
        return opened(source).training.records.digest
    except BadInput as error:
        return str(error)


PROMISES = (gives_what_is_asked, same_stream_same_records, draws_from_its_law, digests_its_files)
