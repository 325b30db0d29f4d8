"""The audits of several sets, one after another or in several processes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from outcross import runtime
from outcross.errors import OutcrossError
from outcross.ledger import Ledger
from outcross.runtime import Emit, Where
from outcross.runtime.threads import environment
from outcross.verbs.audit.progress import Looked, Watch
from outcross.verbs.audit.question import AuditQuestion
from outcross.verbs.audit.result import Audit
from outcross.verbs.audit.sets import HOLDOUT, Sets, sets_of_arm
from outcross.verbs.audit.steps import Auditing
from outcross.verbs.audit.work import ResolvedQuestion
from outcross.verbs.silence import Silence


@dataclass(frozen=True)
class Turn:
    """One set to audit."""

    place: int
    """Position among all sets of all arms, from 0."""
    arm: str
    name: str


@dataclass(eq=False)
class Auditor:
    """Audits one set at a time, in this process or in another. The human data of an arm are read once and kept until the next arm."""

    given: AuditQuestion
    resolved: ResolvedQuestion
    ledger: Path | None = None
    """Folder of the ledger that stores audits. None without a ledger."""
    read: Sequence[Sets] = ()
    """The sets of the question, as this process has resolved them."""
    ready: tuple[Sets, Auditing] | None = None

    def __reduce__(self):
        return Auditor, (
            self.given,
            self.resolved,
            self.ledger,
        )  # another process reads the data itself, because they may be too large to send

    def __call__(self, turn: Turn, emit: Emit) -> None:
        """Audit a set. Emits the progress, and finally the turn with its audit or its error."""
        before = runtime.telling.set(lambda share: emit(Looked(turn.place, turn.name, share)))
        try:
            answer = self._audit(turn)
        except (OutcrossError, OSError) as error:
            answer = error
        finally:
            runtime.telling.reset(before)
        emit(Looked(turn.place, turn.name, 1.0))
        emit((turn, answer))

    def _audit(self, turn: Turn) -> Audit:
        if self.ready is None or self.ready[0].arm != turn.arm:
            self.ready = None
            data = next((sets for sets in self.read if sets.arm == turn.arm), None) or sets_of_arm(self.given, turn.arm)
            asked = replace(self.resolved, text_column=self.resolved.text_column or data.text_column)
            self.ready = data, Auditing(data.reference, data.holdout, asked, data.note, self.ledger)
        data, audit_of = self.ready
        if turn.name == HOLDOUT and data.synthetic[turn.name] is data.holdout:
            # The holdout is audited without a holdout, because every record would be a copy of itself. Its records are not scored.
            alone = Auditing(data.reference, None, replace(audit_of.question, records=False), data.note, self.ledger)
            return replace(alone(turn.name, data.holdout), is_human=True)
        return audit_of(turn.name, data.synthetic[turn.name])


def turns(data: Sequence[Sets]) -> list[Turn]:
    """Return the sets to audit, arm by arm."""
    named = [(sets_of_arm.arm, name) for sets_of_arm in data for name in sets_of_arm.synthetic]
    return [Turn(place, arm, name) for place, (arm, name) in enumerate(named)]


def audited(
    given: AuditQuestion,
    data: Sequence[Sets],
    resolved: ResolvedQuestion,
    workers: int = 1,
    ledger: Ledger | None = None,
    watch: Watch = Silence(),  # noqa: B008
) -> dict[str, tuple[Audit, ...]]:
    """Return the audits of all sets, by the arm of a run, with `workers` sets at a time. The results do not depend on the number of workers.

    `watch` is called with the progress of each set. A ledger stores each audit as it ends, and the steps of the run from which the sets come.
    An audit that the ledger holds is loaded.
    """
    every = turns(data)
    if ledger is not None:
        for step in {step.key: step for sets in data for step in sets.steps}.values():
            ledger.record(step)
    ended: dict[int, Audit | Exception] = {}

    def handle(message: Looked | tuple[Turn, Audit | Exception]) -> None:
        if isinstance(message, Looked):
            watch(message)
            return
        ended[message[0].place] = message[1]
        # The reported error is that of the first set in order, whichever process fails first.
        for place in itertools.takewhile(ended.__contains__, range(len(every))):
            if isinstance(error := ended[place], Exception):
                raise error

    is_shared = min(workers, len(every)) > 1  # threads of several processes would compete for the same cores
    with environment(["POLARS_MAX_THREADS"], "1") if is_shared else nullcontext():
        folder = None if ledger is None else ledger.folder
        runtime.map(Auditor(given, resolved, folder, data), every, handle, Where(workers))
    by_arm: dict[str, list[Any]] = {sets_of_arm.arm: [] for sets_of_arm in data}
    for turn in every:
        by_arm[turn.arm].append(ended[turn.place])
    return {arm: tuple(audits) for arm, audits in by_arm.items()}
