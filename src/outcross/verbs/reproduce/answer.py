"""The function `reproduce`, which runs claims and returns a Reproduction."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from outcross.errors import BadInput, MachineGaveOut, check_word
from outcross.files.names import kind_at
from outcross.files.outputs import write_page
from outcross.files.whole import write_whole
from outcross.verbs.asking import asks
from outcross.verbs.reproduce.claim import SIZES, Claim, claims, named_claims
from outcross.verbs.reproduce.page import FIGURES
from outcross.verbs.reproduce.question import ReproduceQuestion
from outcross.verbs.reproduce.result import (
    RESULTS,
    VERDICTS,
    ReproducedClaim,
    Reproduction,
    is_reproduction,
    result_file,
    stored_result,
)
from outcross.verbs.reproduce.work import RUNS, check_memory, lacking, looked_at

PAGE, MARKDOWN = "report.html", "reproduction.md"
Watch = Callable[[Claim], Callable[[Any], None]]
"""A function of the claim that begins, which returns the watcher of its steps."""


def reproduced(question: ReproduceQuestion, watch: Watch = lambda claim: lambda event: None) -> Reproduction:
    """Run the claims of a question and compare them. Without a claim, return all claims with their stored results.

    `claims` are ids. `all` takes every claim that this machine can run. `out` keeps the runs and the results, so that an interrupted run resumes. Raises BadInput
    if there is no such claim, if a claim has changed since its result, or if this machine has too little memory for it.
    """
    check_word(question.size, SIZES, "--size")
    names = (question.claims,) if isinstance(question.claims, str) else tuple(question.claims)
    chosen = named_claims(names)
    if chosen and question.all:
        raise BadInput(f"--all already takes every claim, but {chosen[0].id} is also named; leave one of them out")
    if question.minutes is not None and not question.all:
        raise BadInput("--minutes is a limit for --all; leave it out, or add --all")
    if question.minutes is not None and not 0 < question.minutes < math.inf:
        raise BadInput(f"--minutes must be a number above 0, got {question.minutes:g}; write --minutes 10")
    folder = None if question.out is None else _checked(Path(question.out))
    data = None if question.data is None else Path(question.data)
    if data is not None and kind_at(data) != "folder":
        raise BadInput(f"--data {data} is not a folder; give the folder that holds the data of the claims")
    if not chosen and not question.all:
        return listed(folder)
    for claim in chosen:
        check_memory(claim, question.size)
        _check_fresh(claim, question, folder)
    entries: list[ReproducedClaim] = []
    cheapest_first = sorted(claims().values(), key=lambda claim: claim.minutes(question.size))
    for claim in chosen or cheapest_first:
        entries.append(_entry(claim, question, folder, data, watch))
        _write(Reproduction(tuple(entries), folder))
    named = {entry.claim.id for entry in entries}
    beside = () if folder is None else tuple(entry for entry in listed(folder).entries if entry.claim.id not in named)
    return Reproduction(tuple(entries), folder, beside)


def in_folder(question: ReproduceQuestion) -> ReproduceQuestion:
    """The question with the default folder of the command line if it names none."""
    return replace(question, out=question.out or Path("runs") / "reproduce")


def _entry(claim: Claim, question: ReproduceQuestion, folder: Path | None, data: Path | None, watch: Watch) -> ReproducedClaim:
    """Run a claim, or give the reason why it is not run."""
    why = lacking(claim, question.size, data)
    cost = claim.of_size(question.size)
    if not why and question.all:
        try:
            check_memory(claim, question.size)
        except BadInput as error:
            why = str(error)
    if not why and question.minutes is not None and cost is not None and cost.minutes > question.minutes:
        stored = None if folder is None else stored_result(folder, claim)
        if stored is not None:
            return ReproducedClaim(claim, stored)
        why = f"it takes about {cost.minutes:g} minutes, more than --minutes {question.minutes:g}; run it by its name"
    if why:
        stored = None if folder is None else stored_result(folder, claim)
        return ReproducedClaim(claim, stored, why if stored is None else "")
    if question.all and not question.anew and folder is not None:
        stored = stored_result(folder, claim, question.size)
        if stored is not None and stored.digest != claim.digest:
            return ReproducedClaim(claim, stored)  # stale, and shown as such
    return ReproducedClaim(claim, looked_at(claim, question.size, folder, data, watch(claim)))


def _check_fresh(claim: Claim, question: ReproduceQuestion, folder: Path | None) -> None:
    """Raise BadInput if a claim has changed since its result in the folder."""
    if folder is None or question.anew:
        return
    stored = stored_result(folder, claim, question.size)
    if stored is not None and stored.digest != claim.digest:
        raise BadInput(
            f"{claim.id} has changed since its result of {stored.date} in {result_file(folder, claim, question.size)}; add --anew to run it again, or choose another --out"
        )


def listed(folder: Path | None) -> Reproduction:
    """Every claim, with its result in a folder if there is one."""
    entries = []
    for claim in claims().values():
        entries.append(ReproducedClaim(claim, None if folder is None else stored_result(folder, claim)))
    return Reproduction(tuple(entries), folder)


def _checked(folder: Path) -> Path:
    """The folder, if a reproduction may be written to it. Raises BadInput if it is a file or contains something else."""
    if kind_at(folder) not in ("", None, "folder"):
        raise BadInput(f"--out {folder} is a file; name a folder")
    if kind_at(folder) == "folder" and not is_reproduction(folder):
        ours = {RESULTS, RUNS, VERDICTS, PAGE, MARKDOWN, FIGURES}
        if other := next((path.name for path in sorted(folder.iterdir()) if path.name not in ours), None):
            raise BadInput(f"--out {folder} holds {other}, which is not part of a reproduction; choose another folder")
    return folder


def _write(result: Reproduction) -> None:
    """Write the verdicts of all results in the folder."""
    if result.folder is None:
        return
    known = {entry.claim.id: entry for entry in listed(result.folder).entries}
    whole = Reproduction(
        tuple({**known, **{entry.claim.id: entry for entry in result.entries}}[name] for name in known), result.folder
    )
    try:
        result.folder.mkdir(parents=True, exist_ok=True)
        (result.folder / RESULTS).mkdir(exist_ok=True)
        write_whole(result.folder / VERDICTS, json.dumps(whole.plain(), ensure_ascii=False, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise MachineGaveOut(f"{result.folder} could not be written: {error.strerror or error}; free space and run again") from None


def with_page(result: Reproduction) -> Path | None:
    """Write the pages of all results in the folder of a reproduction: report.html, and reproduction.md with its figures.

    Returns the path of report.html, or None if there is no folder.
    """
    from outcross.verbs.reproduce.page import html, markdown
    from outcross.verbs.reproduce.result import stored_reproduction

    if result.folder is None or (whole := stored_reproduction(result.folder)) is None:
        return None
    drawn = {figure.name: svg for figure in whole.figures() if (svg := figure.svg())}
    (result.folder / FIGURES).mkdir(exist_ok=True)
    for name, svg in drawn.items():
        write_whole(result.folder / FIGURES / f"{name}.svg", svg)
    write_whole(result.folder / MARKDOWN, markdown(whole, drawn))
    return write_page(result.folder / PAGE, html(whole))


reproduce = asks(ReproduceQuestion, reproduced)
