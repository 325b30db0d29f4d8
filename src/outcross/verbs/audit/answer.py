"""The functions `audit` and `audits`: from a question to its result."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from outcross.errors import BadInput
from outcross.ledger import results
from outcross.runtime.threads import one_thread_each
from outcross.verbs.asking import asks, check_workers
from outcross.verbs.audit.baseline import since
from outcross.verbs.audit.check import Check
from outcross.verbs.audit.plan import ColumnPlan
from outcross.verbs.audit.question import AuditQuestion
from outcross.verbs.audit.result import Audit, Audits
from outcross.verbs.audit.scored import Cleaned, check_clean, clean_frame, write_clean
from outcross.verbs.audit.sentences import finding
from outcross.verbs.audit.sets import inputs_of, sets_of
from outcross.verbs.audit.several import audited
from outcross.verbs.audit.work import planned, resolve
from outcross.verbs.silence import Silence


def audit(data: Any = None, *, name: str = "", **question: Any) -> Audit:
    """Return what `data` has lost, compared with the human `reference`.

    `data` is a path, a glob, a list of paths, a frame (pandas, polars, Arrow), a Hugging Face dataset or an array. The other arguments are the
    options of the command: `reference=`, `holdout=` (more human data that no generator has seen), `groups=("sex", "race")`, `target="income"`,
    `text_column=`, `kinds={"zip": "category"}`, `aspects=("tails", "groups")`, `margins={"groups.share": 0.9}`, `rate=0.05`, `seed=0`, `out=` …
    With `plan=True` nothing is audited, and the result says how every column is read. Raises BadInput if the data cannot be read.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> human, narrow = rng.normal(size=(2000, 2)), 0.8 * rng.normal(size=(2000, 2))
    >>> outcross_audit = audit(narrow, reference=human, aspects=("spread",))
    >>> outcross_audit.lost
    ['spread']
    """
    result = audits(() if data is None else {name or "synthetic": data}, **question)
    if isinstance(result, ColumnPlan):
        return result  # type: ignore[return-value]
    if len(result) != 1:
        raise BadInput(f"audit takes one set, got {len(result)}; call outcross.audits")
    return result[0]


@one_thread_each()
def answered(question: AuditQuestion, watching: Callable[[int], Any] = lambda sets: Silence()) -> Audits:
    """Return what each of several sets has lost, compared with one human reference. Each process reads the reference once.

    The sets are paths, or a mapping of names to data. A run folder stands for the generations of its arms. With `out` the audits are written to
    that folder, and audits that it already holds are loaded. `watching` takes the number of sets and returns a context manager, which is called
    with the progress of each set. Raises BadInput as `audit` does.
    """
    check_workers(question.workers)
    check_clean(question)
    sets, resolved = sets_of(question), resolve(question)
    kept = nullcontext() if question.out is None else results.opened(Path(question.out), "audit", inputs_of(question))
    with kept as ledger, watching(sum(len(set_of_arm.synthetic) for set_of_arm in sets)) as watch:
        result = Audits(audited(question, sets, resolved, question.workers or 1, ledger, watch), question.generations)
        if ledger is not None:
            result.write(ledger)
    return result if question.write_clean is None else replace(result, cleaned=_cleaned(result, question))


def _cleaned(audits: Audits, question: AuditQuestion) -> Cleaned:
    """Write the set without its suspect records, and audit the remaining records against the same human data."""
    if len(audits) != 1:
        raise BadInput(f"--write-clean takes one set, got {len(audits)}; audit one of them")
    (before,) = audits
    frame, reasons = clean_frame(before)
    if not frame.height:
        raise BadInput(f"every record of {before.name} is suspect, so --write-clean would write an empty set; leave it out")
    again = replace(question, data={before.name: frame}, out=None, write_clean=None, before=None, after=None, shares=None)
    sets = sets_of(replace(again, reference=question.before if question.reference is None else question.reference))
    (after,) = audited(again, sets, resolve(again))[""]
    write_clean(Path(question.write_clean), frame)  # type: ignore[arg-type]
    lost = [finding(check) for check in since([after], [before])[after.name]]
    return Cleaned(Path(question.write_clean), before.rows["synthetic"], sum(reasons.values()), reasons, lost)  # type: ignore[arg-type]


def asked(question: AuditQuestion) -> Audits | ColumnPlan:
    """Return the audits of the sets (see `answered`), or with `plan` only how the columns of every set are read."""
    return planned(question) if question.plan else answered(question)


audits = asks(AuditQuestion, asked)
audit.__signature__ = inspect.signature(AuditQuestion)  # type: ignore[attr-defined]

__all__ = ["Audit", "AuditQuestion", "Audits", "Check", "answered", "audit", "audits"]
