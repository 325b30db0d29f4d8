"""The tables of the studies of what is chosen from the text or the records of models, in a loop, by a student, and in a mix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cells import as_estimate, as_table

WAYS = {"once": "each record once", "repeated": "published selector"}
FAMILIES = {
    "isotropic": "isotropic Gaussian",
    "anisotropic": "anisotropic Gaussian",
    "mixture": "mixture of two Gaussians",
    "laplace": "Laplace",
}
LEARNERS = {"ngram": "n-gram model", "transformer": "transformer"}


def of_origins(results: Mapping[str, Any]) -> Iterator[str]:
    """The losses and gains of each learner and way to choose, the curves of the n-gram model, and who measured what and when."""
    for learner, every in results["origins"].items():
        for way, words in WAYS.items():
            rows = [row for row in every if row["way"] == way]
            if not rows:
                continue
            yield f"**{LEARNERS[learner].capitalize()}, {words}**, loss at the last generation [95 %], n = {_seeds(rows)}:"
            yield as_table(
                ["human text, share", "no selection", "random choice", "detector", "oracle", "human part alone"],
                [[_mixture(row), *(as_estimate(_losses(row)[arm], ".2f") for arm in _losses(row))] for row in rows],
            )
            yield "Gains over the random choice, and what the detector's choice holds [95 %]:"
            yield as_table(
                ["human text, share", "gain of the detector", "gain of the oracle", "share of the oracle's gain", "human share", "rare words kept", "different words kept"],
                [_gains(row) for row in rows],
            )  # fmt: skip
        human_only = every[0]["at the end"]["loss"]["human only"]
        yield f"A model of human text alone, as much as the whole mixture has, ends at {as_estimate(human_only, '.2f')}."
        if learner == "ngram":
            yield "Held-out loss of the n-gram model in every generation; bands are the 95 % intervals over seeds:"
            yield "\n\n".join(
                f"![Held-out loss by generation, {words}](results/hidden_origins-{way}.svg)" for way, words in WAYS.items()
            )
    yield _sessions(results["measured"])


def _losses(row: dict[str, Any]) -> dict[str, Any]:
    losses = row["at the end"]["loss"]
    return {arm: losses[arm] for arm in ("none", "random", "detector", "oracle", "human part")}


def _gains(row: dict[str, Any]) -> list[str]:
    end, chosen = row["at the end"], row["selection"]["detector"]
    share = end["share of the oracle's gain"]
    return [
        _mixture(row),
        *(f"**{as_estimate(end['gain'][arm], '+.2f')}**" for arm in ("detector", "oracle")),
        "not defined" if "not defined" in share else as_estimate(share, "+.2f"),
        *(as_estimate(chosen[word], ".2f") for word in ("human share learned", "tail", "spread")),
    ]


def _mixture(row: dict[str, Any]) -> str:
    return f"{row['human text']}, {row['share']:g}"


def _seeds(rows: list[dict[str, Any]]) -> str:
    return " to ".join(map(str, sorted({row["seeds"] for row in rows}))) + " seeds"


def _sessions(measured: Mapping[str, Any]) -> str:
    """When each learner's seeds were measured."""
    said = []
    for learner, seeds in measured.items():
        days = {seed["date"][:10] for seed in seeds.values()}
        said.append(f"{LEARNERS[learner]}, seeds {', '.join(seeds)}: {' and '.join(sorted(days))}")
    return f"Measured: {'; '.join(said)}."


def of_spreads(results: Mapping[str, Any]) -> Iterator[str]:
    """A row a family and policy: the spread after some fits, beside the published value and the closed form."""
    rows = results["spreads"]
    fits = list(rows[0]["spread"])
    table = [
        [
            FAMILIES[row["family"]],
            row["policy"].replace("-selected", ", selected"),
            *(f"**{_spread(row['spread'][fit])}**" if fit == fits[-1] else _spread(row["spread"][fit]) for fit in fits[1:]),
            "–" if row["published"] is None else f"{row['published']:.4g}",
            "–" if row["closed_form"] is None else f"{row['closed_form']:.4f}",
            str(row["spread"][fits[-1]]["n"]),
        ]
        for row in rows
    ]
    yield as_table(["family", "policy", *(f"spread after {fit} fits [95 %]" for fit in fits[1:]), "published", "closed form", "chains"], table)  # fmt: skip
    known = {family: orders for family, orders in results["orders"].items() if orders["published"]}
    others = [family for family, orders in known.items() if orders["ours"] != orders["published"]]
    exception = f"; it differs for {', '.join(FAMILIES[family] for family in others)}" if others else ""
    yield f"The order of the four policies by their spread is the published one in {len(known) - len(others)} of {len(known)} families{exception}."


def _spread(estimate: Mapping[str, Any]) -> str:
    """Three digits, since spreads fall by orders of magnitude; a spread below 1e-9 is written without an interval."""
    if abs(estimate["value"]) < 1e-9:
        return "below 1e-9" if estimate["value"] else "0"
    return as_estimate(estimate, "#.3g")


def of_text(results: Mapping[str, Any]) -> Iterator[str]:
    """A row a policy and selection: its loss at the end, and the generations that it gains."""
    rows = results["selections"]
    levels = [gain["level"] for gain in next(row["gained"] for row in rows if "gained" in row)]
    table = [
        [
            row["policy"],
            row["selection"],
            as_estimate(row["loss_at_end"]),
            *([f"**{as_estimate(row['minus_no_selection'], '+.3f')}**", *map(_gained, row["gained"])] if "gained" in row else [""] * (1 + len(levels))),
        ]
        for row in rows
    ]  # fmt: skip
    gained = [f"generations gained at the loss of g{level} [95 %]" for level in levels]
    yield f"Losses are those of the last generation in nats a token; n = {rows[0]['loss_at_end']['n']} seeds."
    yield as_table(["policy", "selection", "loss [95 %]", "minus no selection [95 %]", *gained], table)


def _gained(gain: Mapping[str, Any]) -> str:
    if gain["never"]:
        return f"at least {gain['value']:.2f}; {gain['never']} of {gain['n']} seeds never reach it"
    return as_estimate(gain, "+.2f")


def of_toxic_students(results: Mapping[str, Any]) -> Iterator[str]:
    """A row a student: the share of toxic answers in its data and in what it writes, and its perplexity; then the differences of students."""
    over = results["over_seeds"]
    n = over["base"]["n"]
    yield f"Shares of answers that are toxic [95 %], n = {n} seeds:"
    rows = [
        [
            words,
            as_estimate(over[data]),
            f"**{as_estimate(over[wrote])}**",
            _percent(over[cost]) if (cost := f"perplexity of {wrote} over random") in over else "–",
        ]
        for words, data, wrote in (
            ("the model before fine-tuning", "candidates", "base"),
            ("student of random answers", "data of random", "random"),
            ("student of the least toxic answers", "data of least", "least"),
            ("student of the most toxic answers", "data of most", "most"),
        )
    ]
    yield as_table(["", "in its data (of the model: its ten answers to each prompt)", "in what it writes", "perplexity against random choice"], rows)  # fmt: skip
    rows = [
        [words, f"**{as_estimate(over[key], '+.3f')}**"]
        for words, key in (
            ("most toxic minus least toxic", "most less least"),
            ("most toxic minus random", "most less random"),
            ("random minus least toxic", "random less least"),
        )
    ]
    yield as_table(["students", "difference of what they write [95 %]"], rows)
    areas = {name: [seed["auroc"][name] for seed in results["seeds"]] for name in ("chooses", "measures")}
    yield "Area under the ROC curve on tweets outside of the training data, seed by seed, with 95 % intervals: " + "; ".join(
        f"the classifier that {name} " + ", ".join(f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, low, high in seeds)
        for name, seeds in areas.items()
    ) + "."  # fmt: skip


def _percent(change: Mapping[str, Any]) -> str:
    return f"{change['value']:+.1%} [{change['low']:+.1%}, {change['high']:+.1%}]"


def of_searches(searches: list[dict[str, Any]]) -> Iterator[str]:
    """A row a search: the shares that it proposes; then how far each mix and each prediction is off."""
    yield as_table(
        ["pools", "human share", "seed", "p", "proposed by", "proposed shares of rows [95 %]"],
        [[*_search(search), f"{search['chance_of_no_effect']:.2g}", *_proposed(search["proposal"])] for search in searches],
    )
    yield "Loss above the lowest of the four mixes [95 %], and mean error of the predictions on held-out mixes:"
    yield as_table(
        ["pools", "human share", "seed", *RIVALS.values(), "error of the law", "error of a linear model"],
        [[*_search(search), *_regret(search["back_test"])] for search in searches],
    )


RIVALS = {
    "law": "best by the law",
    "linear": "best by a linear model",
    "observed": "best that was observed",
    "asked": "all pools as they are",
}


def _search(search: Mapping[str, Any]) -> list[str]:
    share = search["human_share"]
    return [search["pools"], f"at least {share['at_least']:g}" if isinstance(share, dict) else f"{share:g}", str(search["seed"])]


def _proposed(proposal: Mapping[str, Any] | None) -> list[str]:
    if proposal is None:
        return ["–", "none: the shares change the loss no more than chance does"]
    shares = [
        f"{name} {share['value']:.2f}" if share["low"] is None else f"{name} {as_estimate(share, '.2f')}"
        for name, share in proposal["shares"].items()
        if max(share["value"], share["high"] or 0.0) >= 0.005
    ]
    return [
        {"law": "the law", "linear": "a linear model", "observed": "measurement", "asked": "measurement"}[proposal["by"]],
        ", ".join(shares),
    ]


def _regret(test: Mapping[str, Any]) -> list[str]:
    regret = test["regret"] or {}
    errors = [f"{test['held_out'][name]['mean_error']:.3f}, {test['held_out']['mixes']} mixes" for name in ("law", "linear")]
    return [*(as_estimate(regret[name]) if name in regret else "–" for name in RIVALS), *errors]
