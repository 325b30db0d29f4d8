"""The eight definitions of model collapse side by side, answered from the readings of a run, and the onset of collapse.

There is no overall verdict. `outcross.collapse.definitions` explains why, and how each question is decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from outcross.collapse.absorption import time_to_absorption
from outcross.collapse.course import Readings
from outcross.collapse.definitions import DEFINITIONS, Answer, Definition, Thresholds, definition
from outcross.collapse.definitions.early_warning import WARNING, early_warning
from outcross.collapse.definitions.signals import signals
from outcross.collapse.definitions.stages import early, late
from outcross.estimate import NotApplicable
from outcross.experiment.settings import ArmFamily

if TYPE_CHECKING:
    import polars as pl

__all__ = ["DEFINITIONS", "Answer", "Profile", "Thresholds", "profile", "time_to_absorption"]


@dataclass(frozen=True)
class Profile:
    """The answers of an arm to the eight definitions, and whether and when early and late collapse set in.

    `seed` is None if the answers cover all seeds.
    """

    arm: str
    seed: int | None
    answers: tuple[Answer, ...]
    early: Answer
    late: Answer
    signals: tuple[Answer, ...]
    """When each signal moved (`collapse.definitions.signals`). The last answer is the order of the signals."""
    warning: Answer
    """How many generations the chosen early signal moves before held-out loss rises."""

    @property
    def every(self) -> tuple[Answer, ...]:
        """All answers: the eight definitions, early and late, the signals, then the early warning."""
        return (*self.answers, self.early, self.late, *self.signals, self.warning)

    def __getitem__(self, definition: str) -> Answer:
        """Return the answer with a name: a definition, `early collapse`, `late collapse` or a signal."""
        for answer in self.every:
            if answer.definition == definition:
                return answer
        raise KeyError(f"{definition!r} is not a definition; known: {', '.join(answer.definition for answer in self.every)}")

    def frame(self) -> pl.DataFrame:
        """Return a polars frame with one row per answer: arm, seed, definition, answer, value, low, high, when, note.

        The eight definitions come first, then early and late collapse, the signals and the early warning.
        """
        import polars as pl

        rows = [{"arm": self.arm, "seed": self.seed} | asdict(answer) for answer in self.every]
        numbers = dict.fromkeys(("value", "low", "high"), pl.Float64)
        words = dict.fromkeys(("arm", "definition", "answer", "note"), pl.String)
        return pl.DataFrame(rows, schema_overrides=numbers | words | {"seed": pl.Int64, "when": pl.Int64})


def profile(
    readings: pl.DataFrame,
    *,
    arm: str,
    seed: int | None = None,
    thresholds: Thresholds | None = None,
    families: Sequence[ArmFamily] = (),
) -> Profile:
    """Answer the eight definitions of collapse for one arm of one run, and date early collapse, late collapse and every signal.

    `readings` is the readings.parquet of a run (columns run, arm, seed, generation, measure, at, column, group, value, low, high, method, n, null,
    null_low, null_high, floor, p, note). Other arms are read only for a scaling law. `families` then gives the arms that differ in only one number
    (`outcross.experiment.settings.families`). All seeds are used together unless `seed` is given. A reading counts up to the first generation that
    lacks it. Raises BadInput if the arm or seed does not exist, or if the arm is in several runs.

    For text, the risk is `held_out_loss` (or the log of `held_out_perplexity`) in nats per token. A ratio of risks is then a ratio of perplexities,
    which the entropy of the text does not dilute. For numeric runs it is the *excess* risk `w2` or else `mean_error`, in true variances (a squared
    distance if the true variance is 1). For states it is `excess_risk`, in probability squared. These ratios are relative to the error of one fit,
    so for large n a ratio may be large while the error is small. Notes give both numbers.

    >>> import polars as pl
    >>> columns = "run arm seed generation measure at column group value low high method n note".split()
    >>> losses = enumerate([4.1, 5.1, 6.0])
    >>> rows = [("r", "replace", 0, g, "held_out_loss", "", "", "", x, x - 0.02, x + 0.02, "bootstrap", 99, "") for g, x in losses]
    >>> answers = profile(pl.DataFrame(rows, schema=columns, orient="row"), arm="replace")
    >>> answers["catastrophic increase of population risk"].when, answers["disappearance of real tail data"].answer
    (1, 'not_applicable')
    """
    chosen, limits = Readings(readings, arm, seed, tuple(families)), thresholds or Thresholds()

    def asked(name: str, question: Definition) -> Answer:
        try:
            return replace(question(chosen, limits), definition=name)
        except NotApplicable as reason:
            return Answer(name, "not_applicable", None, None, None, None, str(reason))

    answers = tuple(asked(name, definition(name)) for name in DEFINITIONS)
    stages = {"early": asked("early collapse", early), "late": asked("late collapse", late)}
    return Profile(arm, seed, answers, **stages, signals=signals(chosen, limits), warning=asked(WARNING, early_warning))
