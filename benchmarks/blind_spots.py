"""What do other audits say of the same damage?

Every kind of damage of the question before is planted in one half of 5,000 records of Adult and compared with another half (seed 0). The table shows
the main score of each peer beside our answer. The peers are the quality and diagnostic reports of SDMetrics, the drift preset of Evidently, the
distances of SynthEval and the report of MOSTLY AI, each with its defaults and with what peer_scores.py asks of it. There is one seed, so that a row
shows what can happen and not how often it does. The first row has the scores of an honest set; a peer sees a damage where its score lies outside of
what honest sets show. Each peer runs in its own environment, named by OUTCROSS_PEER_SDMETRICS, OUTCROSS_PEER_EVIDENTLY, OUTCROSS_PEER_SYNTHEVAL and
OUTCROSS_PEER_MOSTLYAI_QA. *Times* are of processes from start to end on the 24,421 records of Adult (CTGAN): our command with every aspect (report,
JSON and records written), and with only the aspects that a quality report covers too, against the quality report of SDMetrics.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from audit_damages import ASKED, REPEATS, ROW, audited, damages, dealt
from audit_speed import ADULT, COMPILED
from figures import HERE, OUTCROSS, QUIET, Figure, Side, compare, process, write

TABLE, ROWS = "adult", 5_000
PEERS = ("sdmetrics", "evidently", "syntheval", "mostlyai-qa")


def named() -> dict[str, Path]:
    """The interpreters of the peers that the environment names."""
    folders = {peer: os.environ.get(f"OUTCROSS_PEER_{peer.replace('-', '_').upper()}") for peer in PEERS}
    return {peer: Path(folder) / "bin" / "python" for peer, folder in folders.items() if folder}


def seen(peers: Mapping[str, Path], folder: Path) -> list[dict[str, Any]]:
    """A row a kind of damage."""
    human, deal = dealt(TABLE, ROWS, 0)
    human.write_parquet(folder / "human.parquet")
    deal.spare[:ROWS].drop(ROW).write_parquet(folder / "holdout.parquet")
    sets = {"nothing": deal.other} | {name: harm.harm(deal) for name, harm in damages(TABLE).items()}
    for i, frame in enumerate(sets.values()):
        frame.drop(ROW).write_parquet(folder / f"{i}.parquet")
    scores = {peer: _asked(python, peer, folder, len(sets)) for peer, python in peers.items()}
    rows = []
    for i, (name, frame) in enumerate(sets.items()):
        judgement = audited(TABLE, human, frame, (*ASKED, REPEATS))
        sentence = judgement.summary.partition(" Lost: ")[0]
        settings = {f"{peer} {score}": value for peer, every in scores.items() for score, value in every[i].items()}
        rows.append({"set": name, "lost": judgement.lost, "sentence": sentence, "scores": settings})
        print(f"  {name}: {settings}; {sentence}", flush=True)
    return rows


def _asked(python: Path, peer: str, folder: Path, sets: int) -> list[dict[str, Any]]:
    """What a peer says of every set, in one process."""
    first, *others = (folder / f"{i}.parquet" for i in range(sets))
    command = [python, HERE / "peer_scores.py", peer, first, folder / "human.parquet", folder / "holdout.parquet", *others]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=os.environ | QUIET, cwd=folder, check=False)
    if done.returncode:
        raise SystemExit(f"{peer} ended with exit code {done.returncode}: {done.stderr[-300:]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def times(peers: Mapping[str, Path], folder: Path) -> list[Figure]:
    if "sdmetrics" not in peers:
        return []

    def ours(name: str, *aspects: str) -> Side:
        asked = [ADULT[0], "--reference", ADULT[1], "--groups", "sex,race", "--target", "income", "--quiet"]
        asked += ["--aspects", ",".join(aspects)] if aspects else []
        command = [*COMPILED, f"PYTHONPYCACHEPREFIX={folder / 'bytecode'}", *OUTCROSS, "audit", *asked]
        return Side(name, process(lambda: [*command, "--out", tempfile.mkdtemp(dir=folder)]))

    theirs = Side(
        "SDMetrics' quality report",
        process(lambda: [peers["sdmetrics"], HERE / "peer_scores.py", "sdmetrics-quality", *ADULT]),
    )
    every = compare("every aspect", ours("ours"), [theirs], unit="process", pairs=1, warm=False)
    shared = compare(
        "columns and pairs", ours("ours, spread, tails, structure", "spread", "tails", "structure"), [theirs], unit="process", pairs=1, warm=False
    )  # fmt: skip
    return [*every, *shared]


def main() -> None:
    load, peers = os.getloadavg(), named()
    absent = [
        f"{peer} (OUTCROSS_PEER_{peer.replace('-', '_').upper()} names no environment)" for peer in PEERS if peer not in peers
    ]
    with tempfile.TemporaryDirectory() as folder:
        results = {"seen": seen(peers, Path(folder)), "absent": absent, "times": []}
        write("blind_spots", __doc__ or "", load, results)
        results["times"] = [asdict(time) for time in times(peers, Path(folder))]
    write("blind_spots", __doc__ or "", load, results)


if __name__ == "__main__":
    main()
