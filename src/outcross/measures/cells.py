"""The shares of cells (class by group), for models that know nothing but these shares."""

from __future__ import annotations

import numpy as np

from outcross.estimate import Estimate, NotApplicable, around, over_chains, read_off, share, without_interval
from outcross.measures import Measure, Page
from outcross.recipe import recipe
from outcross.wording import amount

WYLLIE = "Wyllie, Shumailov and Papernot, FAccT 2024, arXiv 2403.07857"
DRIFT = "Wright-Fisher model; Ewens, Mathematical Population Genetics (2004)"


@recipe
class CellsMeasure(Measure):
    """Which cells (class by group) still have a fitted share, and how far apart the groups have drifted.

    The rarest cell is the rarest by the human shares. A gap is the share of the last class in the last group less that in the first. Chains in which
    one of the two groups has died out have no gap and are left out. The mean gap over chains stays the same, while its square grows.
    """

    aspect = "groups"
    needs = ("cells",)
    pages = {
        "rarest_share": Page(
            "CL1", "share of the rarest cell", "Fitted share of the cell (class by group) that is rarest in the human data; mean over chains.",
            unit="share of records", healthy="the human share", collapsed="its mean stays, while single runs lose the cell",
            role="groups", paper=DRIFT, range=(0.0, 1.0),
        ),
        "rarest_variance": Page(
            "CL2", "variance of the rarest cell", "Variance over chains of the fitted share of the cell that is rarest in the human data.",
            unit="share squared", healthy="π(1 − π)/n", collapsed="π(1 − π), if each run has only this cell or none of it",
            worse="larger", role="groups", paper=DRIFT, range=(0.0, 0.25),
        ),
        "rarest_lost": Page(
            "CL3", "runs that have lost the rarest cell", "Share of chains in which the cell that is rarest in the human data has probability 0.",
            unit="share of chains", healthy=0.0, collapsed="1 − π",
            worse="larger", role="modes", paper=DRIFT, range=(0.0, 1.0),
        ),
        "heterozygosity": Page(
            "CL4", "heterozygosity", "1 − Σ π², the probability that two draws fall into different cells; mean over chains.",
            unit="probability", healthy="the human value", collapsed="0",
            worse="smaller", role="diversity", paper=DRIFT, range=(0.0, 1.0),
        ),
        "signed_gap": Page(
            "CL5", "gap between groups", "Share of the last class in the last group less that in the first group; mean over chains.",
            unit="difference", healthy="the human gap", collapsed="its mean stays; read the squared gap",
            role="groups", paper=WYLLIE, range=(-1.0, 1.0),
        ),
        "squared_gap": Page(
            "CL6", "squared gap between groups", "Square of the gap between groups; mean over chains.",
            unit="difference squared", healthy="the sampling error of one sample", collapsed="grows, even if groups are exchangeable",
            worse="larger", role="groups", lead=13, paper=WYLLIE, range=(0.0, 1.0),
        ),
        "cell_share": Page(
            "CL7", "share of each cell", "Fitted share of each cell (class by group); mean over chains.",
            unit="share of records", healthy="the human share", collapsed="its mean stays, while single runs lose the cell",
            role="groups", paper=WYLLIE, range=(0.0, 1.0),
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        truth = evidence.human.known("a table of cells")
        if not hasattr(truth, "shape"):
            raise NotApplicable("needs cells (class by group), but the human data have only states")
        shares = evidence.model.probabilities
        rarest = shares[..., int(np.argmin(truth.probabilities))]
        yield read_off("rarest_share", lambda: over_chains(rarest))
        yield read_off("rarest_variance", lambda: _variance(np.ravel(rarest)))
        yield read_off("rarest_lost", lambda: share(int((rarest == 0).sum()), rarest.size))
        yield read_off("heterozygosity", lambda: over_chains(1 - np.square(shares).sum(axis=-1)))
        yield read_off("signed_gap", lambda: over_chains(_gap(shares, truth.shape)))
        yield read_off("squared_gap", lambda: over_chains(np.square(_gap(shares, truth.shape))))
        for number, name in enumerate(truth.names):
            yield read_off("cell_share", lambda number=number: over_chains(shares[..., number]), at=name)


def _gap(shares: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the share of the last class in the last group less that in the first, (chains,). Chains without one of the groups are left out."""
    table = shares.reshape(-1, *shape)
    sizes = table.sum(axis=1)  # (chains, groups)
    alive = (sizes[:, 0] > 0) & (sizes[:, -1] > 0)
    if not alive.any():
        raise NotApplicable("one of the two groups has died out in every chain")
    rates = table[alive, -1] / np.where(sizes[alive] > 0, sizes[alive], 1)
    return rates[:, -1] - rates[:, 0]


def _variance(values: np.ndarray) -> Estimate:
    """Return the variance over chains, with the interval of a mean of squares."""
    if len(values) < 2:
        raise NotApplicable("a variance over chains needs at least two chains, got one")
    squares = np.square(values - values.mean())
    value = float(squares.sum() / (len(values) - 1))
    if not squares.any():
        return without_interval(value, f"{amount(len(values), 'chain')} agree: no interval", len(values))
    return around(value, float(squares.std(ddof=1)) / np.sqrt(len(values)), "chains", len(values), minimum=0.0)
