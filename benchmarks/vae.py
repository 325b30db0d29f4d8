"""Do autoencoders that learn from autoencoders become more alike, and how fast do they learn?

The run is `outcross run vae` with MNIST: 12,000 pictures an epoch, ten epochs, on-line, with convolutions in bf16 (`--precisions fp32` runs it in
fp32). It has a fifth of the pictures and a third of the epochs of Shumailov et al. (Nature 2024, supplement). The readings are those of the run.
Intervals are over 100 latents or over 10,000 held-out pictures, and not over training runs, of which there is one. `--speed` measures training by
itself, with pictures of 28 by 28 in batches of 256, against the plain torch loop (nn.Module, torch.optim.Adam, in fp32 and with bf16 autocast), with
one torch thread on either side. Where torch sees a GPU, `--published` runs the published size with five seeds in fp32 and compares it with the
published table by Welch's test at each generation, with Holm's correction over the five.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from figures import DATA, HERE, OUTCROSS, QUIET, RESULTS, Figure, Side, compare, here, today, write
from torch import nn
from torch.nn import functional

import outcross
from outcross.models.accelerator import one_thread
from outcross.models.schedule import Schedule, Scratch
from outcross.models.vae import fitting
from outcross.models.vae.network import PictureShape, initial

RUNS = HERE.parent / "runs"
PRECISIONS = ("bf16", "fp32")
READINGS = (("latent_spread", ""), ("latent_mean", ""), ("held_out_elbo", ""), ("excess_elbo", ""))
SIZES = ("size=full", "human.rows=12000", "training.epochs=10", "arms=null")
STEPS, BATCH, PAIRS = 12, 256, 3
PUBLISHED = np.array(
    [
        [0.69953, 0.60135, 0.55411, 0.48932, 0.46654],
        [0.69527, 0.59369, 0.52965, 0.48431, 0.43105],
        [0.69228, 0.60909, 0.53359, 0.48915, 0.45830],
        [0.67842, 0.60503, 0.52345, 0.48297, 0.42802],
        [0.67357, 0.60761, 0.52733, 0.46808, 0.43290],
    ]
)
"""`latent_spread` of five runs at generations 1 to 5 (the notebook of Shumailov et al.), (runs, generations)."""
FULL = ("size=full", "arms=null", "sweep.seed=[0,1,2,3,4]")


def main() -> None:
    asked = _parser().parse_args()
    path = RESULTS / "vae.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    load = os.getloadavg()
    figures = before.get("figures", [])
    if asked.speed:
        figures = [asdict(figure) for figure in speed()]
    only = asked.speed or asked.published
    runs = before.get("runs", []) if only else [_run(precision, asked.mnist) for precision in asked.precisions]
    published = against_published(asked.mnist) if asked.published else before.get("published", NOT_RUN)
    write("vae", __doc__ or "", load, {"figures": figures, "runs": runs, "published": published})
    print(f"  {path}")


def _run(precision: str, mnist: str) -> dict[str, Any]:
    """The readings of a run, a row a generation; finished steps are found."""
    folder = RUNS / f"vae-mnist-{precision}"
    command = [
        *OUTCROSS, "run", "vae", f"human.path={mnist}", *SIZES, f"learner.precision={precision}", "--workers", "1", "--out", str(folder),
    ]  # fmt: skip
    print(" ", " ".join(command[1:]), flush=True)
    if subprocess.run(command, env=os.environ | QUIET, check=False).returncode:
        raise SystemExit("the run did not end; run it again to go on")
    return {"precision": precision, "date": today()} | read(folder)


def read(folder: Path) -> dict[str, Any]:
    """What a run measured, and the seconds that its steps took."""
    run = outcross.open(folder)
    rows = []
    for measure, at in READINGS:
        readings = run.readings.filter(measure=measure, at=at).sort("generation")
        rows += [{"measure": measure} | row for row in readings.select("generation", "value", "low", "high", "n").to_dicts()]
    timing = [json.loads(line) for line in (folder / "timing.jsonl").read_text(encoding="utf-8").splitlines()]
    trained = [round(step["seconds"], 1) for step in timing if step["verb"] == "train"]
    return {"readings": rows, "seconds_of_training": trained, "seconds": round(sum(step["seconds"] for step in timing), 1)}


NOT_RUN = "The published size was not run here: it takes a GPU."


def against_published(mnist: str) -> str | list[dict[str, Any]]:
    """How far five runs of the published size are from the published five, generation by generation; where there is no GPU, that they were not run."""
    from scipy.stats import ttest_ind

    if not torch.cuda.is_available():
        return NOT_RUN
    folder = RUNS / "vae-mnist-published"
    command = [
        *OUTCROSS, "run", "vae", f"human.path={mnist}", *FULL, "--device", "cuda", "--workers", "1", "--out", str(folder),
    ]  # fmt: skip
    if subprocess.run(command, env=os.environ | QUIET, check=False).returncode:
        raise SystemExit("the run did not end; run it again to go on")
    spreads = outcross.open(folder).readings.filter(measure="latent_spread").sort("seed", "generation")
    ours = spreads["value"].to_numpy().reshape(5, 6)[:, 1:]
    tests = [ttest_ind(ours[:, g], PUBLISHED[:, g], equal_var=False) for g in range(5)]
    order = np.argsort([test.pvalue for test in tests])
    adjusted = np.maximum.accumulate([min(1.0, (5 - rank) * tests[g].pvalue) for rank, g in enumerate(order)])
    p = dict(zip(order.tolist(), adjusted.tolist(), strict=True))
    return [
        {"generation": g + 1, "ours": ours[:, g].tolist(), "difference": float(ours[:, g].mean() - PUBLISHED[:, g].mean())}
        | dict(zip(("low", "high"), map(float, test.confidence_interval()), strict=True))
        | {"p": float(test.pvalue), "holm": p[g]}
        for g, test in enumerate(tests)
    ]


def speed() -> list[Figure]:
    """Our fit against the plain loop, in each precision."""
    one_thread()
    pictures = np.random.default_rng(0).random((STEPS * BATCH, 28, 28), dtype=np.float32)
    return compare(
        "training a vae",
        _side("our fit, bf16", lambda: ours(pictures, "bf16")),
        [
            _side("our fit, fp32", lambda: ours(pictures, "fp32")),
            _side("plain loop, fp32", lambda: plain(pictures, False)),
            _side("plain loop, bf16 autocast", lambda: plain(pictures, True)),
        ],
        unit="pictures", pairs=PAIRS,
    )  # fmt: skip


def _side(name: str, work: Any) -> Side:
    return Side(name, here(work), STEPS * BATCH)


def ours(pictures: np.ndarray, precision: Any) -> None:
    schedule = Schedule(epochs=1, batch=BATCH, learning_rate=1e-3, start=Scratch())
    network = initial(PictureShape(28, 28), np.random.default_rng(0))
    fitting.fit(
        network, lambda rows: pictures[rows], len(pictures), schedule, weights=None, precision=precision, rng=np.random.default_rng(0),
        progress=lambda share: None,
    )  # fmt: skip


class Plain(nn.Module):
    """The same autoencoder as a tutorial writes it."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 64, 4, 2, 1), nn.ReLU(), nn.Conv2d(64, 128, 4, 2, 1), nn.ReLU(), nn.Flatten())
        self.mean, self.log_variance, self.unfold = nn.Linear(6272, 20), nn.Linear(6272, 20), nn.Linear(20, 6272)
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(128, 64, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(64, 1, 4, 2, 1), nn.Sigmoid()
        )

    def forward(self, pictures):
        features = self.encoder(pictures)
        mean, log_variance = self.mean(features), self.log_variance(features)
        latents = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return self.decoder(self.unfold(latents).view(-1, 128, 7, 7)), mean, log_variance


def plain(pictures: np.ndarray, is_bf16: bool) -> None:
    model = Plain()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-5)
    for first in range(0, len(pictures), BATCH):
        batch = torch.from_numpy(pictures[first : first + BATCH])[:, None]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_bf16):
            decoded, mean, log_variance = model(batch)
        mean, log_variance = mean.float(), log_variance.float()
        divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum()
        loss = functional.binary_cross_entropy(decoded.float(), batch, reduction="sum") + divergence
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mnist", default=DATA / "images" / "mnist", help="the folder of MNIST's four files")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS[:1])
    parser.add_argument("--speed", action="store_true", help="measure only how fast it learns, and keep the runs")
    parser.add_argument("--published", action="store_true", help="on a GPU: only the published size, five seeds")
    return parser


if __name__ == "__main__":
    main()
