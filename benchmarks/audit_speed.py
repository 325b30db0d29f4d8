"""How long does an audit take beside other audits, and what does each of them report?

Adult: 24,421 × 15 synthetic records (CTGAN) are audited against the human records that the model learned from, with the human holdout. *Ours, every
aspect* is the command from start to end, with every aspect and its reference levels, the groups sex and race, the target income, and report, JSON and
records written. *What a peer covers too* is the same command with only the aspects that the peer has. *Groups alone* takes little more than starting,
reading and writing. Each peer runs in its own environment, from start to end, with its imports compiled beforehand; OUTCROSS_PEER_SDMETRICS,
OUTCROSS_PEER_MOSTLYAI_QA and OUTCROSS_PEER_SYNTHEVAL name the folder of its virtual environment, and a peer without one is left out. The script
peer_scores.py says what each peer computes: the two reports of SDMetrics, the report of MOSTLY AI with its defaults (pairs and triples of columns,
embeddings, a discriminator, distances), and the metrics of columns and pairs of SynthEval (its neighbour metrics took more than six minutes here and
are left out). Every side has one thread. *What they see* shows the main score of each peer on the six sets of 20,000 records above, for one seed, and
the aspects in which our audit reports a loss.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from audit import DAMAGED, damage
from audit_real import DATA
from figures import HERE, OUTCROSS, QUIET, Figure, Side, compare, process, write

from outcross import audits

PAIRS = 3
SHARED: Mapping[str, tuple[str, ...]] = {
    "sdmetrics": ("spread", "tails", "structure"),
    "mostlyai-qa": ("spread", "tails", "structure", "coverage", "copying"),
    "syntheval": ("spread", "tails", "structure"),
}
"""Aspects that both cover, by peer: columns and pairs; and neighbours and copies where it looks at them."""
SECONDS, RATIO = 20.0, {"sdmetrics": None, "mostlyai-qa": 5.0, "syntheval": 5.0}
COMPILED = ("/usr/bin/env", "-u", "PYTHONDONTWRITEBYTECODE")
"""With what is imported kept as bytecode, which peers have from their installation and a project's environment may lack."""
ADULT = [DATA / "tabular_synthetic" / "adult" / f"{name}.parquet" for name in ("syn_ctgan", "real_train", "real_holdout")]


def named() -> dict[str, Path]:
    """The interpreters of the peers that the environment names."""
    pythons = {}
    for peer in SHARED:
        variable = f"OUTCROSS_PEER_{peer.replace('-', '_').upper()}"
        if folder := os.environ.get(variable):
            pythons[peer] = Path(folder) / "bin" / "python"
        else:
            print(f"  {peer} is left out: {variable} names no environment that has it", flush=True)
    return pythons


def _ours(folder: Path, name: str, aspects: Sequence[str] = ()) -> Side:
    synthetic, reference, holdout = ADULT
    asked = ["--reference", reference, "--holdout", holdout, "--groups", "sex,race", "--target", "income", "--quiet"]
    asked += ["--aspects", ",".join(aspects)] if aspects else []
    return Side(
        name,
        process(
            lambda: [
                *COMPILED,
                f"PYTHONPYCACHEPREFIX={folder / 'bytecode'}",
                *OUTCROSS,
                "audit",
                synthetic,
                *asked,
                "--out",
                tempfile.mkdtemp(dir=folder),
            ]
        ),
    )


def _asked(python: Path, peer: str, paths: Sequence[Path]) -> list[object]:
    return [python, HERE / "peer_scores.py", peer, *paths]


def figures(peers: Mapping[str, Path], folder: Path) -> list[Figure]:
    """Every aspect against each peer, then what both cover."""
    others = {
        peer: Side(peer, process(lambda peer=peer, python=python: _asked(python, peer, ADULT))) for peer, python in peers.items()
    }
    whole, groups_alone = _ours(folder, "ours"), _ours(folder, "ours, groups alone", ("groups",))
    whole.work()
    timed = compare(
        "every aspect",
        _ours(folder, "ours"),
        [groups_alone, *others.values()],
        unit="process",
        pairs=PAIRS,
        target=SECONDS,
        warm=False,
    )
    for peer, other in others.items():
        ours, ratio = _ours(folder, f"ours, {', '.join(SHARED[peer])}", SHARED[peer]), RATIO[peer]
        timed += compare(f"what {peer} covers too", ours, [other], unit="process", pairs=PAIRS, target_ratio=ratio, warm=False)
    return timed


def headlines(peers: Mapping[str, Path], folder: Path) -> list[dict[str, Any]]:
    """What each peer's headline, and we, say of the six sets: a row a set."""
    rng = np.random.default_rng([32])
    reference, holdout = damage.human(rng), damage.human(rng)
    sets = {what: make(rng) for what, make in damage.SETS.items()} | {"everything": damage.everything(rng)}
    for name, frame in {**sets, "reference": reference, "holdout": holdout}.items():
        frame.write_parquet(folder / f"{name}.parquet")
    ours = {audit.name: audit.lost for audit in audits(sets, reference=reference, groups=("group",), aspects=DAMAGED)}
    rows = []
    for name in sets:
        scores = {}
        for peer, python in peers.items():
            command = _asked(python, peer, [folder / f"{stem}.parquet" for stem in (name, "reference", "holdout")])
            done = subprocess.run(
                list(map(str, command)), capture_output=True, text=True, env=os.environ | QUIET, cwd=folder, check=False
            )
            if done.returncode:
                raise SystemExit(f"{peer} ended with exit code {done.returncode}: {done.stderr[-300:]}")
            scores |= {f"{peer} {score}": value for score, value in json.loads(done.stdout.splitlines()[-1]).items()}
        rows.append({"set": name, "lost": ours[name], "scores": scores})
        print(f"  {name}: {scores}; lost: {', '.join(ours[name]) or 'nothing'}", flush=True)
    return rows


def main() -> None:
    load, peers = os.getloadavg(), named()
    with tempfile.TemporaryDirectory() as folder:
        seen = headlines(peers, Path(folder))
        timed = figures(peers, Path(folder))
    write("audit_speed", __doc__ or "", load, {"figures": [asdict(figure) for figure in timed], "headlines": seen})


if __name__ == "__main__":
    main()
