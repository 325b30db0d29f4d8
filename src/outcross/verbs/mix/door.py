"""The audit at the door: the finished mix against its human pools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.errors import BadInput
from outcross.verbs.mix.asked import MixRecipe
from outcross.verbs.mix.candidates import CandidateStore
from outcross.verbs.mix.provenance import PROVENANCE

if TYPE_CHECKING:
    import polars


def at_the_door(asked: MixRecipe, store: CandidateStore, mixed: polars.DataFrame) -> dict[str, Any]:
    """What the mix has lost of what its human pools hold, before any filter: the sentence, and the checks that are lost.

    BadInput where there are too few human rows, or an aspect is not known. The human rows of the mix are among those that it is held against.
    """

    from outcross.verbs.audit.answer import audits

    human = store.frame([*store.schema], np.flatnonzero(store.authors == "human"))
    if not human.height:
        raise BadInput(
            "audit holds the mix against its human rows, and no pool has any; give one of origin: human, or leave audit out"
        )
    own = mixed.drop(PROVENANCE, strict=False)
    try:
        (found,) = audits({"mix": own}, reference=human, aspects=asked.audit, groups=asked.groups, seed=asked.seed)
    except BadInput as error:
        raise BadInput(f"audit of the mix: {error}") from None
    plain = found.plain()
    return {
        "aspects": list(asked.audit),
        "n": plain["n"],
        "summary": plain["summary"],
        "lost": plain["lost"],
        "checks": [check for check in plain["checks"] if check["verdict"] in ("lost", "invented")],
        "judged": {verdict: sum(check["verdict"] == verdict for check in plain["checks"]) for verdict in ("lost", "invented", "kept", "cannot_tell", "not_applicable")},
    }  # fmt: skip
