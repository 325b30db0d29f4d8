"""How much faster are two workers for a sweep of networks, and for an audit of several sets?

Eight arms of a small transformer on the text of the standard library are run from nothing to the report, each side in fresh folders. `--workers 2` is
compared with `--workers 1`, and with two commands side by side with four of the arms each, as a user does without sweeps. Arms share their human
data, their base model and their generation 0: with two workers one computes these while the other waits, whereas two commands compute them twice. The
machine must be quiet, as both sides need all of its cores. Both are counted in arms. The target is 1.7 times the speed of one worker. The second part
audits four synthetic Adult tables of 24,421 × 15 against the human one with its holdout, with every aspect, groups and a target, counted in sets; it
is left out where the folder OUTCROSS_DATA, by default shared/data beside the repository, does not exist.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from figures import DATA, OUTCROSS, Figure, Side, answer, compare, process

ARMS = (
    "{policy: replace}",
    "{policy: accumulate}",
    "{policy: human_only}",
    "{policy: augment}",
    "{policy: accumulate_subsample}",
    "{policy: {kind: human_share, share: 0.1}}",
    "{policy: {kind: human_share, share: 0.25}}",
    "{policy: {kind: human_share, share: 0.5}}",
)
SETTINGS = (
    "human.rows=400", "generations=5", "learner.layers=2", "learner.width=96", "learner.heads=2", "learner.vocabulary=1024",
    "training.steps=100", "training.start.steps=100", "metrics=[held_out, rare_words]",
)  # fmt: skip
REHEARSAL = (
    "human.rows=60", "block=16", "generations=2", "learner.layers=1", "learner.width=32", "learner.heads=1", "learner.vocabulary=400",
    "training.steps=4", "training.batch=8", "training.start.steps=6", "training.start.batch=8",
    "metrics=[held_out]",
)  # fmt: skip
ADULT = DATA / "tabular_synthetic" / "adult"
SETS = ("perturbed_flip50", "syn_ctgan", "syn_mostly", "syn_synthpop")
PAIRS = 3
TARGET = 1.7


def measure(settings: Sequence[str] = SETTINGS, pairs: int = PAIRS) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        one_worker, two_workers = (_side(f"--workers {n}", [_command(Path(folder), ARMS, n, settings)]) for n in (1, 2))
        halves = [_command(Path(folder), ARMS[i::2], 1, settings) for i in range(2)]
        others = [one_worker, _side("two commands of four arms", halves)]
        figures = compare("8 arms, `--workers 2`", two_workers, others, unit="arm", pairs=pairs, warm=False, target_ratio=TARGET)
    if not ADULT.exists():
        print(f"  audits are left out: there is no {ADULT}", flush=True)
        return figures
    one_worker, two_workers = (_audit(n) for n in (1, 2))
    return figures + compare("audit of 4 sets, `--workers 2`", two_workers, [one_worker], unit="set", pairs=pairs, warm=False)


def _audit(workers: int) -> Side:
    sets, (reference, holdout) = ([ADULT / f"{name}.parquet" for name in names] for names in (SETS, ("real_train", "real_holdout")))
    asked = [
        "--reference",
        reference,
        "--holdout",
        holdout,
        "--groups",
        "sex",
        "--target",
        "income",
        "--workers",
        workers,
        "--quiet",
    ]
    return Side(f"--workers {workers}", process(lambda: [*OUTCROSS, "audit", *sets, *asked]), len(SETS))


def _side(name: str, commands: Sequence[str]) -> Side:
    """Commands at the same time, each in a fresh folder; all must end well."""
    started = "".join(f'{command} & pids="$pids $!"; ' for command in commands)
    return Side(name, process(lambda: ["/bin/sh", "-c", f"{started} for pid in $pids; do wait $pid || exit 1; done"]), len(ARMS))


def _command(folder: Path, arms: Sequence[str], workers: int, settings: Sequence[str]) -> str:
    command = [*OUTCROSS, "run", "stdlib", f"arms=[{', '.join(arms)}]", *settings, "--workers", str(workers), "--quiet"]
    return f'{shlex.join(command)} --out "$(mktemp -d -p {shlex.quote(str(folder))})"'


if __name__ == "__main__":
    if sys.argv[1:] == ["--rehearse"]:
        measure(REHEARSAL, 1)
    else:
        answer(__file__, __doc__, measure)
