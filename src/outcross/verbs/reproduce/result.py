"""The result of a reproduction: published claims with their comparisons and verdicts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcross.errors import BadInput
from outcross.estimate import Estimate, rounded
from outcross.files.whole import read_text
from outcross.verbs.reproduce.claim import PROTOCOLS, TAGS, Claim, Protocol, claim_files, read_claim
from outcross.verbs.reproduce.rules import ClaimComparison
from outcross.verbs.reproduce.verdicts import MEANINGS, ClaimVerdict, holm_factors, verdict, worst
from outcross.verbs.results import WIDTH, Result
from outcross.wording import amount

if TYPE_CHECKING:
    from outcross.report.figure import Figure

RESULTS = "results"
"""The folder of the results of claims, within the folder of a reproduction."""
VERDICTS = "verdicts.json"
"""The file of the verdicts."""


@dataclass(frozen=True)
class ClaimResult:
    """The result of the experiment of a claim: the comparisons of each of its parts."""

    size: str
    digest: str
    """The digest of the claim when it was run."""
    protocol: Protocol
    comparisons: tuple[tuple[ClaimComparison, ...], ...] = ()
    """The comparisons of each part of the claim."""
    reason: str = ""
    """Why nothing was compared: the number that could not be computed. Otherwise empty."""
    seeds: tuple[int, ...] = ()
    generations: int = 0
    chains: int = 1
    arms: int = 0
    date: str = ""
    machine: str = ""
    seconds: float | None = None

    def plain(self) -> dict[str, Any]:
        """The result as plain data, which `read_result` reads."""
        return {
            "schema": 1,
            "size": self.size,
            "digest": self.digest,
            "protocol": self.protocol,
            "comparisons": [[_plain(comparison) for comparison in part] for part in self.comparisons],
            "reason": self.reason,
            "seeds": list(self.seeds),
            "generations": self.generations,
            "chains": self.chains,
            "arms": self.arms,
            "date": self.date,
            "machine": self.machine,
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class ReproducedClaim:
    """A claim with its result, if there is one."""

    claim: Claim
    result: ClaimResult | None = None
    not_run: str = ""
    """The reason why it was not run here; otherwise empty."""

    @property
    def protocol(self) -> str:
        """How closely the experiment follows that of the source, in words."""
        return PROTOCOLS[self.claim.protocol if self.result is None else self.result.protocol]

    @property
    def is_stale(self) -> bool:
        """Whether the claim was changed after its result."""
        return self.result is not None and self.result.digest != self.claim.digest

    @property
    def p(self) -> float | None:
        """The largest p-value of no effect among the comparisons; None if nothing was compared."""
        if self.result is None or self.is_stale or not any(self.result.comparisons):
            return None
        return max(comparison.p for part in self.result.comparisons for comparison in part)

    def verdicts(self, tests: int) -> Iterator[tuple[int, ClaimComparison, ClaimVerdict]]:
        """Yield every comparison with the index of its part and its verdict. `tests` is Holm's factor of the claim."""
        if self.result is None or self.is_stale:
            return
        within = sum(map(len, self.result.comparisons))
        for place, (part, compared) in enumerate(zip(self.claim.parts, self.result.comparisons, strict=True)):
            for comparison in compared:
                yield place, comparison, verdict(part, comparison, self.claim, self.result.protocol, tests, within)


@dataclass(frozen=True, eq=False, repr=False)
class Reproduction(Result):
    """Published claims, each with its verdict. Holm's correction covers all claims that were compared."""

    entries: tuple[ReproducedClaim, ...]
    folder: Path | None = None
    """The folder of the results and the runs; None if nothing is kept."""
    beside: tuple[ReproducedClaim, ...] = ()
    """Other claims with results in the folder. Holm's correction also covers these, so that the verdict of a claim does not depend on which claims are requested."""

    @cached_property
    def factors(self) -> Mapping[str, int]:
        """Holm's factor of every claim that was compared, by its id."""
        return holm_factors({entry.claim.id: entry.p for entry in (*self.entries, *self.beside) if entry.p is not None})

    @cached_property
    def verdicts(self) -> Mapping[str, ClaimVerdict | None]:
        """The verdict of every claim by its id; None for a claim that has not been run yet."""
        return {entry.claim.id: self._verdict(entry) for entry in self.entries}

    def _verdict(self, entry: ReproducedClaim) -> ClaimVerdict | None:
        if entry.is_stale:
            return "stale"
        if entry.result is None:
            return "not run here" if entry.not_run or entry.claim.not_run else None
        several: list[ClaimVerdict] = [word for _, _, word in entry.verdicts(self.factors.get(entry.claim.id, 1))]
        return worst(several) if several else "cannot tell"

    def __getitem__(self, name: str) -> ReproducedClaim:
        """The claim with this id. Raises BadInput with the nearest id if there is none."""
        from outcross.recipe import nearest

        by_id = {entry.claim.id: entry for entry in self.entries}
        if name not in by_id:
            raise BadInput(f"there is no claim {name!r:.80} here{nearest(name, by_id)}")
        return by_id[name]

    def reason(self, entry: ReproducedClaim) -> str:
        """Why a claim has no comparison; empty if it has one."""
        return entry.not_run or entry.claim.not_run or ("" if entry.result is None else entry.result.reason)

    def frame(self) -> Any:
        """One row per comparison (polars): the claim and its part, the published number, ours with its interval and n, and the verdicts of the comparison and of the claim."""
        import polars

        schema = {
            "claim": polars.String, "verdict": polars.String, "protocol": polars.String, "size": polars.String, "part": polars.String, "tag": polars.String,
            "compared": polars.String, "published": polars.Float64, "published_error": polars.Float64, "no_effect": polars.Float64,
            "value": polars.Float64, "low": polars.Float64, "high": polars.Float64, "method": polars.String, "n": polars.Int64,
            "p": polars.Float64, "comparison": polars.String, "note": polars.String,
        }  # fmt: skip
        rows = [row for entry in self.entries for row in self._rows(entry)]
        return polars.DataFrame(rows, schema=schema, orient="row")

    def _rows(self, entry: ReproducedClaim) -> Iterator[tuple[Any, ...]]:
        claim, of_claim = entry.claim, self.verdicts[entry.claim.id] or "not run yet"
        size = "" if entry.result is None else entry.result.size
        factor = self.factors.get(claim.id, 1)
        rows = [
            (
                claim.id, of_claim, entry.protocol, size, claim.parts[place].what, TAGS[claim.parts[place].tag], comparison.what, comparison.published, None if comparison.published is None else comparison.error,
                comparison.none, rounded(comparison.ours.value), rounded(comparison.ours.low), rounded(comparison.ours.high), comparison.ours.method, comparison.ours.n, rounded(comparison.p), word, "",
            )
            for place, comparison, word in entry.verdicts(factor)
        ]  # fmt: skip
        yield from rows or [(claim.id, of_claim, entry.protocol, size, *[None] * 13, self.reason(entry))]

    def plain(self) -> dict[str, Any]:
        """The verdicts as plain data, as --json prints them."""
        return {
            "schema": 1,
            "reproduction": None if self.folder is None else str(self.folder),
            "counts": self.counts,
            "claims": [self._plain(entry) for entry in self.entries],
        }

    def _plain(self, entry: ReproducedClaim) -> dict[str, Any]:
        claim, result = entry.claim, entry.result
        content: dict[str, Any] = {
            "id": claim.id,
            "claim": claim.sentence,
            "source": {"paper": claim.source.paper, "place": claim.source.place},
            "verdict": self.verdicts[claim.id],
            "protocol": entry.protocol,
            "why": self.reason(entry) or None,
            "cost": {size: None if (cost := claim.of_size(size)) is None else cost.minutes for size in ("small", "full")},
            "digest": claim.digest,
        }
        if result is None or entry.is_stale:
            return content
        factor = self.factors.get(claim.id, 1)
        compared = [
            {
                "part": claim.parts[place].what,
                "tag": TAGS[claim.parts[place].tag],
                **_plain(comparison),
                "p": rounded(comparison.p),
                "verdict": word,
            }
            for place, comparison, word in entry.verdicts(factor)
        ]
        kept = ("size", "seeds", "generations", "chains", "arms", "date", "machine", "seconds")
        return content | {name: value for name, value in result.plain().items() if name in kept} | {"comparisons": compared}

    @property
    def counts(self) -> dict[str, int]:
        """The number of claims with each verdict."""
        counts: dict[str, int] = {}
        for word in self.verdicts.values():
            counts[word or "not run yet"] = counts.get(word or "not run yet", 0) + 1
        return dict(sorted(counts.items()))

    @property
    def short(self) -> str:
        """The number of claims with each verdict, in one line."""
        verdicts = [*MEANINGS]
        ordered = sorted(self.counts.items(), key=lambda entry: verdicts.index(entry[0]) if entry[0] in verdicts else len(verdicts))
        counts = ", ".join(f"{word} {count}" for word, count in ordered)
        return f"Verdicts of {amount(len(self.entries), 'claim')}: {counts or 'none'}"

    def lines(self, width: int = WIDTH) -> Iterator[str]:
        """The lines for a terminal, with one block per claim."""
        from outcross.verbs.reproduce.screen import reproduction_lines

        return reproduction_lines(self, width)

    def figures(self) -> tuple[Figure, ...]:
        """One figure for each claim that was compared: the published numbers, and ours with their intervals."""
        from outcross.verbs.reproduce.page import claim_figure

        return tuple(
            claim_figure(entry)
            for entry in self.entries
            if entry.result is not None and not entry.is_stale and any(entry.result.comparisons)
        )

    def markdown(self) -> str:
        """The page docs/reproduction.md: a table of the verdicts, and a section for each claim."""
        from outcross.verbs.reproduce.page import markdown

        return markdown(self)

    def report(self, path: str | Path) -> Path:
        """Write the claims as one HTML file that opens offline. Returns the path."""
        from outcross.verbs.reproduce.page import write_reproduction

        return write_reproduction(self, Path(path))

    def open(self, name: str) -> Any:
        """Open the run of a claim. Raises BadInput if nothing was kept, or if the claim has no run."""
        from outcross.verbs.reproduce.work import run_folder
        from outcross.verbs.run.result import opened

        entry = self[name]
        if self.folder is None:
            raise BadInput("this reproduction was not kept; give out= to keep its runs")
        size = entry.claim.of_size("small" if entry.result is None else entry.result.size)
        if size is None or size.run is None:
            raise BadInput(f"{name} is not an experiment of a loop, so it has no run; its numbers are in frame()")
        return opened(run_folder(self.folder, entry.claim, "small" if entry.result is None else entry.result.size))


def _plain(comparison: ClaimComparison) -> dict[str, Any]:
    return {
        "what": comparison.what,
        "published": comparison.published,
        "published_error": None if comparison.published is None else comparison.error,
        "no_effect": comparison.none,
        **comparison.ours.plain(),
    }


def read_result(path: Path) -> ClaimResult:
    """Read the result of a claim from its file. Raises BadInput if the file is damaged."""
    try:
        content = json.loads(read_text(path))
        comparisons = tuple(
            tuple(
                ClaimComparison(
                    stored["what"],
                    Estimate(stored["value"], stored["low"], stored["high"], stored["method"], stored["n"]),
                    stored["no_effect"],
                    stored["published"],
                    stored["published_error"] or 0.0,
                )
                for stored in part
            )
            for part in content["comparisons"]
        )
        return ClaimResult(
            size=content["size"], digest=content["digest"], protocol=content["protocol"], comparisons=comparisons, reason=content["reason"],
            seeds=tuple(content["seeds"]), generations=content["generations"], chains=content["chains"], arms=content["arms"],
            date=content["date"], machine=content["machine"], seconds=content["seconds"],
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadInput(f"{path} is damaged ({type(error).__name__}); remove it, and run the claim again") from None


def result_file(folder: Path, claim: Claim, size: str) -> Path:
    """The file of the result of a claim at a size."""
    return folder / RESULTS / f"{claim.id}-{size}.json"


def is_reproduction(folder: Path) -> bool:
    """Whether a folder contains results of claims."""
    return (folder / RESULTS).is_dir() and (folder / VERDICTS).is_file()


def stored_reproduction(folder: Path) -> Reproduction | None:
    """Every claim with its result in a folder, that of the larger size if there are both; None if the folder contains no reproduction."""
    if not is_reproduction(folder):
        return None
    why = {
        written_claim["id"]: written_claim.get("why") or ""
        for written_claim in _written(folder)
        if written_claim.get("verdict") == "not run here"
    }
    entries = []
    for name, path in claim_files().items():
        claim = read_claim(path)
        result = stored_result(folder, claim)
        entries.append(ReproducedClaim(claim, result, why.get(name, "") if result is None else ""))
    return Reproduction(tuple(entries), folder)


def stored_result(folder: Path, claim: Claim, size: str = "") -> ClaimResult | None:
    """The result of a claim in a folder: of the given size, or else of the larger one; None if there is none."""
    for candidate_size in [size] if size else ["full", "small"]:
        path = result_file(folder, claim, candidate_size)
        if path.is_file():
            return read_result(path)
    return None


def _written(folder: Path) -> list[dict[str, Any]]:
    try:
        return list(json.loads(read_text(folder / VERDICTS))["claims"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadInput(f"{folder / VERDICTS} is damaged; remove it, and run outcross reproduce with --out {folder} again") from None


__all__ = ["ClaimResult", "ReproducedClaim", "Reproduction", "field", "replace", "stored_reproduction"]
