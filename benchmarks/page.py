"""Rewrite README.md from results/*.json: every number on the page comes from there."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import log_log
import tables_of_checks
import tables_of_selections
from cells import as_table, as_time, grouped, short
from figures import HERE, RESULTS, words_of

HEAD = """# Benchmarks

This page answers questions about Outcross with measured numbers. `make bench` measures every question again, which takes many hours, since the last
group has long studies; these go on where they were stopped. `make bench QUESTIONS="start chains"` measures those named, and `QUESTIONS=--page` measures
nothing. Each of them writes this page again from `results/*.json`, which also hold the numbers that the tables leave out. Some questions need the data
in `../shared/data`, or in the folder that the variable OUTCROSS_DATA names.

**How to read.** Brackets after a value are its 95 % interval, and n is the number of independent units that it comes from; the text of a question says
what the units are. Every question ends with a line that has its name, the day, the machine and its load before, which is the number of processes that
wanted to run, to be compared with the number of cores.

**Tables of speed** have the columns *ours* and *against*. Both sides took turns, A B A B, on the same machine; times are medians. *Ratio* is how many
times as fast Outcross does the same amount of work: the median over pairs of turns, with the smallest and the largest pair in brackets and then the
number of pairs. Above 1 Outcross is faster. Times depend on what else runs on the machine. Ratios depend on it less, and ratios of processor time (`cpu`,
`by cpu`) least. Memory is the peak of a separate process, in MB of 10^6 bytes.
"""


def rewrite(questions: Mapping[str, Sequence[str]], helpers: Sequence[str]) -> None:
    """Write the page, and draw its pictures of growth."""
    for panel in stored("growth")["panels"] if _path("growth").exists() else ():
        _picture(panel).write_text(log_log.drawn(panel), encoding="utf-8")
    (HERE / "README.md").write_text(text_of(questions, helpers), encoding="utf-8")


def text_of(questions: Mapping[str, Sequence[str]], helpers: Sequence[str]) -> str:
    """The page: the questions by their topics, each with a section if it has results, in the order given, and what the other scripts are."""
    return "\n".join([HEAD, _contents(questions, helpers), *sections(questions)])


def sections(questions: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """A heading for each topic, and a section for each of its questions that has results."""
    for topic, names in questions.items():
        yield f"## {topic}\n"
        yield from (section(stored(name)) for name in names if _path(name).exists())


def section(results: dict[str, Any]) -> str:
    """A question's section: its title, what it is about, and the tables of what its results hold."""
    of_results = next((body for holds, body in BODIES.items() if holds in results), of_a_study)
    return "\n\n".join([f"### {results['title']}", results["about"], *of_results(results), _measured(results)]) + "\n"


def stored(question: str) -> dict[str, Any]:
    """The results of a question. Raises OSError if it has none."""
    return json.loads(_path(question).read_text(encoding="utf-8"))


def _path(question: str) -> Path:
    return RESULTS / f"{question}.json"


def _contents(questions: Mapping[str, Sequence[str]], helpers: Sequence[str]) -> str:
    """The questions with links to their sections, and the scripts that are no questions with what they are."""
    topics = [f"*{topic}*\n\n" + "\n".join(map(_line, names)) for topic, names in questions.items()]
    others = "\n".join(f"- `{name}.py`: {docstring_of(name)[0]}" for name in helpers)
    return "\n\n".join(["## Questions", *topics, "## The other scripts", others]) + "\n"


def _line(question: str) -> str:
    if not _path(question).exists():
        return f"- {docstring_of(question)[0]} (`{question}`, no results here)"
    title = stored(question)["title"]
    return f"- [{title}](#{anchor(title)}) (`{question}`)"


def anchor(title: str) -> str:
    """The address of a heading within its page.

    >>> anchor("How fast does detect fit, and judge?")
    'how-fast-does-detect-fit-and-judge'
    """
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def docstring_of(script: str) -> tuple[str, str]:
    """The title and the text of a script, as a section has them."""
    return words_of(ast.get_docstring(ast.parse((HERE / f"{script}.py").read_text(encoding="utf-8"))) or "")


def _of_figures(results: dict[str, Any]) -> Iterable[str]:
    if results["figures"]:
        yield _figures(results["figures"])
    if "headlines" in results:
        yield _headlines(results["headlines"])
    yield from map(_readings, results.get("runs", []))
    yield from _published(results)


def _of_sets(results: dict[str, Any]) -> Iterable[str]:
    yield _seen(results)
    if results["times"]:
        yield _figures(results["times"])


def _of_forecasts(results: dict[str, Any]) -> Iterable[str]:
    yield _forecasts(results)
    if results["share_pairs"]:
        yield _share_pairs(results["share_pairs"])


def of_a_study(results: dict[str, Any]) -> Iterable[str]:
    if "units" in results:
        yield _so_far(results["units"])
    yield from _zero_shot(results)
    yield from _study(results["study"])
    if "units" in results:
        yield from _units(results["units"])
    yield _work(results)


def _alarms(rows: list[dict[str, Any]]) -> str:
    """A row a family: the rate of runs that were stopped although nothing was lost."""

    def rate(count: int, runs: int, estimate: list[float]) -> str:
        return f"**{count} of {runs}** [{estimate[1]:.4f}, {estimate[2]:.4f}]"

    table = [
        [
            row["family"],
            ", ".join(f"{name} {bound:g}" for name, bound in row["bounds"].items()),
            str(row["generations"]),
            rate(row["stopped"], row["runs"], row["rate"]),
            rate(row["stopped at the edge"], row["runs"], row["rate at the edge"]),
        ]
        for row in rows
    ]
    return as_table(
        ["family, policy", "bounds", "generations", "stopped [95 %]", "stopped where each bound is a thousandth from 1 [95 %]"],
        table,
    )


def _leads(rows: list[dict[str, Any]]) -> str:
    """A row a family: how long before the loss has risen by 5 % the early signal was lost, and the alarm came."""

    def quantiles(leads: dict[str, Any] | None) -> str:
        return "none" if leads is None else ", ".join(f"{number:g}" for number in leads["quantiles 5, 25, 50, 75, 95 %"])

    table = []
    for row in rows:
        crossed, alarmed = row["crossed"], row["alarmed"]
        left_out = ", ".join(f"{what} {count}" for what, count in row["left out"].items())
        apart = "–" if crossed is None else f"{crossed['first']} / {crossed['tied']} / {crossed['last']}"
        alarms = (
            "none"
            if alarmed is None
            else f"{quantiles(alarmed)} ({alarmed['first']} before, {alarmed['tied']} in, {alarmed['last']} after; none in {row['no alarm']})"
        )
        table.append(
            [
                f"{row['family']}, {row['runs']} runs", f"{row['early']} before {row['loss']}", f"{row['kept']} ({left_out})", apart, quantiles(crossed),
                "–" if row["p"] is None else f"{row['p']:.4f}", alarms,
            ]
        )  # fmt: skip
    head = ["family, policy", "signals", "runs kept (left out)", "early first / same generation / late first", "lead in generations: 5, 25, 50, 75, 95 % of runs",
            "p, swapped signals", "alarm before the rise, in generations"]  # fmt: skip
    return as_table(head, table)


def _forecasts(results: dict[str, Any]) -> str:
    """A row a family: coverage of nominal 95 % intervals, and the CRPS over that of each baseline."""
    of_baselines = list(results["forecasts"][0]["against"])
    rows = [
        [
            row["family"],
            *(_of_interval(share) for share in (row["coverage"], row["next"], row["of_means"], row["within"])),
            "–" if row["within_said"] is None else f"{row['within_said']:.3f}",
            *(f"{score['value']:.3f} [{score['interval'][0]:.3f}, {score['interval'][1]:.3f}]" for score in row["against"].values()),
            f"{row['width']:.3f}",
        ]
        for row in results["forecasts"]
    ]  # fmt: skip
    head = [
        "family",
        "inside, 10 ahead [95 %], n",
        "1 ahead",
        "means over five runs, 10 ahead",
        "generations within a fifth, interval holds",
        "expected from its own paths",
        *(f"CRPS over {baseline}" for baseline in of_baselines),
        "median width, 10 ahead",
    ]
    turned, readings = results["forecasts"][-1]["turns"], results["forecasts"][-1]["readings"]
    law = results["true_law"]
    missing = "".join(
        f" {amount} of the listed experiments of the family {family} were not run yet."
        for family, amount in results["not_run"].items()
    )
    return (
        as_table(head, rows)
        + f"\n\nFor the log-variance of a Gaussian under replace the true law is known ({law['specs']} experiments): the CRPS of the forecast is {law['ratio']:.3f} times that of the true law. "
        f"In {turned} of {readings} readings a turning point was found, so that the forecast of that reading would be refused. SHA-256 of the frozen lists: `{results['frozen'][:16]}…`.{missing}"
    )


def _of_interval(share: dict[str, Any]) -> str:
    """A share with its interval and its number; a dash where there is nothing that it could be of."""
    if share["value"] is None:
        return "–, 0"
    return f"{share['value']:.3f} [{share['interval'][0]:.3f}, {share['interval'][1]:.3f}], {share['n']:,}"


def _families(results: dict[str, Any]) -> str:
    """A row a family: the CRPS and the coverage by what its forecast was fitted to."""
    names = list(dict.fromkeys(row["fitted_to"] for row in results["families"]))
    by_family: dict[str, list[str]] = {}
    for key in ("crps", "coverage"):
        for row in results["families"]:
            estimate = row[key]
            by_family.setdefault(row["family"], []).append(
                f"{estimate['value']:.3f} [{estimate['interval'][0]:.3f}, {estimate['interval'][1]:.3f}]"
            )
    head = ["family", *(f"CRPS, fitted to {name}" for name in names), *(f"inside, {name}" for name in names)]
    head = [words.replace("fitted to equal weights", "equal weights") for words in head]
    first = results["families"][0]
    worth = ", ".join(f"{law} {weight:g}" for law, weight in results["worth"].items())
    return (
        as_table(head, [[family, *cells] for family, cells in by_family.items()])
        + f"\n\n{first['crps']['specs']} experiments of each family. Weights of the laws after a fit to all development experiments, relative to the random walk: {worth}."
    )


def _share_pairs(rows: list[dict[str, Any]]) -> str:
    """A row a pair of spec and budget: the least share forecast, and that found by running every share."""
    words = [
        [row["spec"], row["reading"], f"{row['budget']:g}", _ends(row["forecast"]), _ends(row["brute"]), {True: "yes", False: "no", None: "–"}[row["holds"]]]
        for row in rows
    ]  # fmt: skip
    known = [row for row in rows if row["holds"] is not None]
    count = sum(row["holds"] for row in known)
    wide = sum(row["width"] > 0.15 for row in known)
    return (
        "The least human share that keeps a reading within its budget for 15 generations, forecast from five generations of eleven shares (0 to 50 % in steps of 5 %, redrawn rows, six seeds of 200 "
        "chains), beside the share found by running all shares in steps of 2 % to the end (four seeds of 1,000 chains; interval by the bootstrap over seeds):\n\n"
        + as_table(["spec", "reading", "budget", "forecast [95 %]", "by brute force [95 %]", "inside"], words)
        + f"\n\nIn {count} of {len(known)} pairs the share found by brute force lies in the interval; {wide} of the intervals are wider than .15. "
        f"In {len(rows) - len(known)} of {len(rows)} pairs the forecast share or the true share lies beyond the shares that were run."
    )


def _ends(ends: list[float | None]) -> str:
    value, low, high = ("–" if number is None else f"{number:.3f}" for number in ends)
    return f"{value} [{low}, {high}]"


def _claims(rows: list[dict[str, Any]]) -> str:
    """A row a claim: its mean over seeds, the tests, and in how many seeds it points as claimed."""
    table = [
        [row["claim"], _interval(row["mean"]), f"{row['p']:.4f}", f"{row['p_holm']:.4f}", f"{row['as_claimed']} of {row['seeds']}"]
        for row in rows
    ]
    return as_table(["claim", "mean difference [95 %]", "p, sign flips", "p, Holm", "seeds as claimed"], table)


def _beside(rows: list[dict[str, Any]]) -> str:
    """A row a reparation: what it differs by from none at the last generation."""
    measures = list(dict.fromkeys(row["measure"] for row in rows))
    cells = {(row["arm"], row["measure"]): _interval(row["less_none"]) for row in rows}
    arms = dict.fromkeys(row["arm"] for row in rows)
    table = [[arm, *(cells.get((arm, measure), "not applicable") for measure in measures)] for arm in arms]
    return "Each reparation minus no reparation, at the last generation [95 %]:\n\n" + as_table(["arm", *measures], table)


def _unbiased(rows: list[dict[str, Any]]) -> str:
    """The signed difference of selection and its square where the data have no bias."""
    table = [
        [row["arm"], *(_interval(row[name]) for name in ("first", "last", "square_first", "square_last", "square_grows"))]
        for row in rows
    ]
    head = ["no bias in the data", "signed difference, first", "last", "its square, first", "last", "the square grows by"]
    return "The rate of selection of green minus that of red [95 %]:\n\n" + as_table(head, table)


def _interval(estimate: dict[str, Any]) -> str:
    return (
        f"{estimate['value']:+.4f}"
        if estimate["low"] is None
        else f"**{estimate['value']:+.4f}** [{estimate['low']:+.4f}, {estimate['high']:+.4f}]"
    )


def _damages(rows: list[dict[str, Any]]) -> str:
    """A row a kind of damage at one size; honest splits and what lies inside the tolerance last."""
    wrong = [row for row in rows if not row["is_inside"] and row["planted"] != "nothing"]
    read_kept, sets = sum(row["kept"] for row in wrong), sum(row["sets"] for row in wrong)
    detected, named = (sum(row[count] for row in wrong) for count in ("found", "named"))
    lost, inside = (sum(row[count] for row in rows if row["is_inside"]) for count in ("found", "sets"))
    beyond, kept, within, called_lost = (
        sum(row[count] for row in rows) for count in ("beyond", "beyond_kept", "inside", "inside_lost")
    )
    said = (
        f"Of {sets} sets damaged beyond the tolerance {detected} were found, {named} of them named in the first sentence; in {read_kept} of them a check of the damage read kept. Of {inside} sets damaged within the tolerance {lost} were called lost. "
        f"Of {beyond:,} checks whose true value lies beyond their tolerance {kept:,} read kept, and of {within:,} checks whose true value lies within it {called_lost:,} read lost.\n\n"
        if sets
        else ""
    )
    table = [
        [
            row["table"], grouped(row["rows"]) if row["rows"] >= 1000 else str(row["rows"]), row["planted"] + (" (inside)" if row["is_inside"] else ""), row["aspect"],
            f"**{row['found']} of {row['sets']}** [{row['low']:.2f}, {row['high']:.2f}]" + (f", at most {row['upper']:.3f}" if row["planted"] == "nothing" else ""),
            *(str(row[count]) if row["planted"] != "nothing" else "" for count in ("named", "cannot_tell", "kept")),
            ", ".join(f"{aspect} {count}" for aspect, count in row["others"].items()),
        ]
        for row in rows
    ]  # fmt: skip
    return said + as_table(
        ["table", "records", "planted", "lost in", "found [95 %]", "named", "cannot tell", "kept", "also lost"], table
    )


def _seen(results: dict[str, Any]) -> str:
    """What each peer's headline and our first sentence say of each damaged set."""
    scores = list(results["seen"][0]["scores"])
    rows = [
        [row["set"], *(_score(_said(row["scores"], score)) for score in scores), ", ".join(row["lost"]) or "nothing", row["sentence"].replace("|", "/")]
        for row in results["seen"]
    ]  # fmt: skip
    absent = f"\n\nNot measured here: {'; '.join(results['absent'])}." if results["absent"] else ""
    return as_table(["damage", *scores, "we say lost", "our first sentence"], rows) + absent


def _said(scores: dict[str, Any], score: str) -> Any:
    """A score, or that the set breaks the report."""
    return scores.get(score, "breaks" if f"{score.partition(' ')[0]} error" in scores else None)


def _score(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else f"{value:.3f}"


def _regions(rows: list[dict[str, Any]]) -> str:
    """A row a planted region, and the honest splits of each table."""
    table = [
        [row["table"], f"{row['rows']:,} / {row['left']:,}", row["planted"], f"**{row['found']} of {row['sets']}** [{row['low']:.2f}, {row['high']:.2f}]", f"{row['jaccard']:.2f}", row["rule"]]
        if "found" in row
        else [row["table"], f"{row['rows']:,} / {row['left']:,}", "nothing", f"**{row['reported']} of {row['splits']}** reported, at most {row['upper']:.3f}", "", ""]
        for row in rows
    ]  # fmt: skip
    return as_table(["table", "records: human / other", "planted", "found [95 %]", "Jaccard", "the rule found first"], table)


def _chosen(choice: dict[str, Any]) -> str:
    """A row an arm, and what choosing among all costs beside a random selection of as many."""
    rows = [
        [
            arm["arm"],
            f"{arm['mean']:.4g}",
            f"**{arm['change']:+.1%}** [{arm['low']:+.1%}, {arm['high']:+.1%}], {arm['n']}",
            f"{arm['by_own']:+.1%}",
        ]
        for arm in choice["rows"]
    ]
    costs = next(arm["costs"] for arm in choice["rows"] if "costs" in arm)
    said = [f"{line['what']} {line['value']:.2f} [{line['random'][0]:.2f}, {line['random'][1]:.2f}]" for line in costs]
    head = [
        f"{choice['name']}, the {choice['keep']}",
        "mean",
        "against random [95 %], prompts",
        "by the choosing classifier or measure",
    ]
    return (
        as_table(head, rows)
        + f"\n\nSide effects of choosing among all candidates, relative to a random selection of the same size, whose 95 % interval is in brackets: {'; '.join(said)}."
    )


def _routed(by_reward: dict[str, list[dict[str, Any]]]) -> str:
    rows = []
    for reward, arms in by_reward.items():
        for arm in arms:
            gain = f"{arm['gain']['value']:.4f} [{arm['gain']['low']:.4f}, {arm['gain']['high']:.4f}]" if "gain" in arm else ""
            rows.append(
                [
                    reward,
                    arm["rule"],
                    f"{arm['mean']:.4g}",
                    f"**{arm['change']:+.1%}** [{arm['low']:+.1%}, {arm['high']:+.1%}], {arm['n']}",
                    gain,
                ]
            )
    return as_table(["routed by", "rule", "mean", "against random [95 %], prompts", "gain from the prompt in nats"], rows)


def _held_out(areas: dict[str, Any]) -> str:
    return (
        "AUROC on tweets outside of the training data: "
        + "; ".join(f"{name} {value:.3f} [{low:.3f}, {high:.3f}]" for name, (value, low, high) in areas.items())
        + "."
    )


def _students(rows: list[dict[str, Any]]) -> str:
    def cell(change: dict[str, float]) -> str:
        return f"{change['value']:+.1%} [{change['low']:+.1%}, {change['high']:+.1%}]"

    table = [
        [
            row["student"],
            f"{row['attribute']}, the {row['keep']}",
            cell(row["data"]),
            f"**{cell(row['wrote'])}**",
            cell(row["perplexity"]),
            f"{row['random_perplexity']['value']:.4g}",
            str(row["wrote"]["n"]),
        ]
        for row in rows
    ]
    return as_table(
        ["student", "chosen for", "its data", "what it writes", "perplexity", "perplexity of random choice", "seeds"], table
    )


def _sculpted(rows: list[dict[str, Any]]) -> str:
    def cell(estimate: dict[str, Any]) -> str:
        return f"{estimate['value']:.4g}" + ("" if estimate["low"] is None else f" [{estimate['low']:.4g}, {estimate['high']:.4g}]")

    measures = [key for key in ("parameters", "goal", "held_out_loss", "loss", "sums_right") if key in rows[0]]
    table = [[row["data"], f"{row['size']:g}", *(cell(row[key]) for key in measures), str(row["goal"]["n"])] for row in rows]
    return as_table(["data", "order", *(key.replace("_", " ") for key in measures), "seeds"], table)


def _verdicts(verdicts: list[str] | dict[str, Any]) -> str:
    if isinstance(verdicts, list):
        return "\n".join(f"- {sentence}" for sentence in verdicts)
    lines = []
    for data, verdict in verdicts.items():
        reaches = (
            verdict["on_the_goal"]
            if isinstance(verdict["on_the_goal"], str)
            else "reached at {:.4g} [{:.4g}, {:.4g}] parameters".format(*verdict["on_the_goal"])
        )
        sizes = "; ".join(
            f"order {size} {said[0] if said == ['holds both'] else 'not shown: ' + ' and '.join(said)}"
            for size, said in verdict["by_size"].items()
        )
        lines.append(f"- {data}, against the largest student on random data: on the goal alone, {reaches}; {sizes}.")
    return "\n".join(lines)


def _surpassed(rows: list[dict[str, Any]]) -> str:
    def crossing(row: dict[str, Any]) -> list[str]:
        if row["crossing"] is None:
            return [row["note"], ""]
        estimate = row["crossing"]
        ends = "" if estimate["low"] is None else f" [{estimate['low']:.4f}, {estimate['high']:.4f}]"
        return [f"**{estimate['value']:.4f}**{ends}", f"{row['between'][0]:g} to {row['between'][1]:g}"]

    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.4f}"

    table = [
        [row["arm"], *crossing(row), number(row["closed_form"]), number(row["threshold"]), str(row["points"][0]["n"] or 1)]
        for row in rows
    ]
    return as_table(
        [
            "arm",
            "student becomes better than its best teacher at p =",
            "between",
            "closed form, interpolated in the same way",
            "p*",
            "seeds",
        ],
        table,
    )


def _routing(seconds: dict[str, float]) -> str:
    return "A million candidates are routed in " + ", ".join(f"{value:.2g} s ({name})" for name, value in seconds.items()) + "."


def _communities(results: dict[str, Any]) -> Iterable[str]:
    """Normal distributions beside their closed forms, then each study of texts, at their last generations."""

    def cell(estimate: dict[str, Any] | None, sign: str = "") -> str:
        if estimate is None or estimate["value"] is None:
            return ""
        ends = "" if estimate["low"] is None else f" [{estimate['low']:{sign}.4f}, {estimate['high']:{sign}.4f}]"
        return f"**{estimate['value']:{sign}.4f}**{ends}"

    last = max(row["generation"] for row in results["numbers"])
    rows = [
        [row["arm"], cell(row), "" if row["closed_form"] is None else f"{row['closed_form']:.4f}", str(row["n"])]
        for row in results["numbers"]
        if row["generation"] == last and not row["group"]
    ]
    yield as_table(["normal distributions", f"spread of all at generation {last}", "closed form", "chains"], rows)
    for name in ("text", "languages"):
        over_seeds = results.get(name, {}).get("over_seeds", [])
        last = max((row["generation"] for row in over_seeds), default=0)
        rows = [
            [
                row["arm"],
                f"{row['measure']} {row['at']}".strip(),
                cell(row["together"]),
                cell(row["over_one_model"], "+"),
                cell(row.get("a_teacher_by_itself")),
                str(row["together"]["n"]),
            ]
            for row in over_seeds
            if row["generation"] == last
        ]
        if rows:
            yield f"{name.capitalize()}, generation {last}:"
            yield as_table(["arm", "reading", "all together", "less one model", "a teacher by itself", "seeds"], rows)


def _equal_k(rows: list[dict[str, Any]]) -> str:
    def cell(change: dict[str, float]) -> str:
        return f"{change['value']:+.1%} [{change['low']:+.1%}, {change['high']:+.1%}]"

    table = [
        [
            row["model"],
            row["attribute"],
            row["arm"],
            *(cell(row[key]) for key in ("data", "wrote", "perplexity")),
            str(row["data"]["n"]),
        ]
        for row in rows
    ]
    return as_table(["models", "chosen for", "candidates", "the data", "what a student writes", "its perplexity", "seeds"], table)


def _figures(figures: list[dict[str, Any]]) -> str:
    rows = [
        [figure["what"], _side(figure, "ours"), _side(figure, "theirs"), _ratio(figure), short(figure["cpu_ratio"])]
        for figure in figures
    ]
    return as_table(["", "ours", "against", "ratio [range], pairs", "by cpu"], rows) + _targets(figures)


def _ratio(figure: dict[str, Any]) -> str:
    return f"**{short(figure['ratio'])}** [{short(figure['low'])}, {short(figure['high'])}], {figure['pairs']}"


def _side(figure: dict[str, Any], which: str) -> str:
    """`name: 1.2 s (cpu 1.1 s), 800,000 tokens/s, 310 MB`."""
    side, unit = figure[which], figure["unit"]
    parts = [f"{as_time(side['seconds'])} (cpu {as_time(side['cpu'])})"]
    if unit in ("step", "process", "arm"):
        parts += [] if side["amount"] == 1 else [f"{as_time(side['seconds'] / side['amount'])} per {unit}"]
    else:
        parts.append(f"{grouped(side['amount'] / side['seconds'])} {unit}/s")
    parts += [] if side["memory"] is None else [f"{side['memory']:,.0f} MB"]
    return f"{side['name']}: {', '.join(parts)}"


def _targets(figures: list[dict[str, Any]]) -> str:
    aimed = {figure["what"]: figure for figure in figures if figure["target"] is not None}
    lines = [
        f"Target of {name}: at most {as_time(figure['target'])}; it took {as_time(figure['ours']['seconds'])} (cpu {as_time(figure['ours']['cpu'])}): "
        f"{'met' if figure['ours']['seconds'] <= figure['target'] else 'missed'} in this run."
        for name, figure in aimed.items()
    ]
    lines += [
        f"Target of {figure['what']} to {figure['theirs']['name']}: a ratio of {figure['target_ratio']}; it was {short(figure['ratio'])}: "
        f"{'met' if figure['ratio'] >= figure['target_ratio'] else 'missed'} in this run."
        for figure in figures
        if figure.get("target_ratio") is not None
    ]
    return "".join(f"\n\n{line}" for line in lines)


def _readings(run: dict[str, Any]) -> str:
    """What one run measured, a row a measure and a column a generation."""
    rows = run["readings"]
    generations = sorted({row["generation"] for row in rows})
    table = []
    for measure in dict.fromkeys(row["measure"] for row in rows):
        settings = {row["generation"]: row for row in rows if row["measure"] == measure}
        table.append([f"`{measure}`", *(_cell(settings.get(g), "") for g in generations)])
    said = f"One run in {run['precision']}, {run['date'][:10]} [95 % inside the run]; all steps took {as_time(run['seconds'])}."
    return f"{said}\n\n{as_table(['', *(f'g{g}' for g in generations)], table)}"


def _published(results: dict[str, Any]) -> Iterable[str]:
    """How far runs of the published size are from the published table, or that there are none."""
    rows = results.get("published", ())
    if isinstance(rows, str):
        yield rows
    elif rows:
        cells = [
            [f"g{row['generation']}", _cell(row | {"value": row["difference"]}, "+"), f"{row['p']:.3g}", f"{row['holm']:.3g}"]
            for row in rows
        ]
        yield as_table(["generation", "ours minus published [95 %, Welch]", "p", "p, Holm"], cells)


def _study(rows: list[dict[str, Any]]) -> Iterable[str]:
    for measure, at, column in dict.fromkeys((row["measure"], row["at"], row["column"]) for row in rows):
        own = [row for row in rows if (row["measure"], row["at"], row["column"]) == (measure, at, column)]
        name = _name_of(measure, at) + (" of other human text" if column == "null" else "")
        for what, which in (
            ("mean over seeds", "level"),
            ("minus generation 0 of the arm", "over_first"),
            (f"minus `{own[0]['control']}`", "over_control"),
        ):
            if column == "null" and which != "level":
                continue
            yield from _over_seeds(f"{name}, {what}", own, which)


def _over_seeds(what: str, rows: list[dict[str, Any]], which: str) -> Iterable[str]:
    """A row an arm: means over seeds, and of how many seeds each is where that differs; nothing where no mean is of two seeds."""
    counts = {row[which]["n"] for row in rows}
    if max(counts) < 2:
        return
    generations = sorted({row["generation"] for row in rows})
    table = []
    for arm in dict.fromkeys(row["arm"] for row in rows):
        of_arm = {row["generation"]: row[which]["n"] for row in rows if row["arm"] == arm}
        seeds = [", ".join(str(of_arm.get(g, 0)) for g in generations)] if len(counts) > 1 else []
        table.append([f"`{arm}`", *_cells(rows, arm, which, generations), *seeds])
    said = (
        f"{max(counts)} seeds"
        if len(counts) == 1
        else f"{min(counts)} to {max(counts)} seeds, generation by generation in the last column"
    )
    yield f"{what} [95 %], n = {said}"
    yield as_table(["arm", *(f"g{g}" for g in generations), *(["seeds"] if len(counts) > 1 else [])], table)


def _so_far(units: list[dict[str, Any]]) -> str:
    """How many seeds of each arm are here, for a study that takes several sessions."""
    arms = [unit["arm"] for unit in units]
    counts = ", ".join(f"`{arm}` {arms.count(arm)}" for arm in dict.fromkeys(arms))
    return f"Seeds so far: {counts}. One seed gives no interval over seeds."


def _units(units: list[dict[str, Any]]) -> Iterable[str]:
    """What every arm with every seed read by itself, and what it took."""
    last = max(generation["generation"] for unit in units for generation in unit["generations"])
    for measure, at in dict.fromkeys(
        (reading["measure"], reading["at"])
        for unit in units
        for generation in unit["generations"]
        for reading in generation["readings"]
    ):
        table = []
        for unit in units:
            read = {
                generation["generation"]: reading
                for generation in unit["generations"]
                for reading in generation["readings"]
                if (reading["measure"], reading["at"]) == (measure, at)
            }
            if read:
                counts = sorted({reading["n"] for reading in read.values() if reading["n"] is not None})
                cells = [_cell(read[g], "") if g in read else "" for g in range(last + 1)]
                table.append(
                    [
                        f"`{unit['arm']}`",
                        str(unit["seed"]),
                        *cells,
                        " to ".join(map(str, dict.fromkeys([*counts[:1], *counts[-1:]]))),
                    ]
                )
        yield f"{_name_of(measure, at)}, each seed separately [95 % within the run]"
        yield as_table(["arm", "seed", *(f"g{g}" for g in range(last + 1)), "n"], table)
    yield "Time of one generation for every arm and seed:"
    yield as_table(
        ["arm", "seed", "generations", "optimiser steps", "seconds of the steps", "ended", "on"], list(map(_unit, units))
    )


def _unit(unit: dict[str, Any]) -> list[str]:
    generations, machine = unit["generations"], unit["machine"]
    steps = dict.fromkeys(str(generation["steps"]) for generation in generations)
    verbs = dict.fromkeys(verb for generation in generations for verb in generation["seconds"])
    took = {verb: sum(generation["seconds"].get(verb, 0.0) for generation in generations) / len(generations) for verb in verbs}
    return [
        f"`{unit['arm']}`", str(unit["seed"]), str(len(generations)), ", ".join(steps),
        ", ".join(f"{verb} {as_time(seconds)}" for verb, seconds in took.items() if seconds >= 0.1), unit["date"][:10],
        f"{machine['processor']} ({machine['capability']}), {machine['cores']} cores, load before {unit['load_before']}",
    ]  # fmt: skip


def _name_of(measure: str, at: str) -> str:
    return f"`{measure}`{f' {at}' if at else ''}"


def _zero_shot(results: dict[str, Any]) -> Iterable[str]:
    """What the base reads before it is fine-tuned, and how far generation 0 is from it."""
    if (base := results.get("zero_shot")) is not None:
        yield f"The base model before any fine-tuning has perplexity {_cell(base['level'], '')}, {_seeds(base['level']['n'])}."
        for arm, difference in base["first_less_base"].items():
            yield f"Generation 0 of `{arm}` minus the base: {_cell(difference, '+')}, {_seeds(difference['n'])}."


def _seeds(n: int) -> str:
    return f"n = {n} seed{'s' if n != 1 else ''}"


def _cells(rows: list[dict[str, Any]], arm: str, which: str, generations: list[int]) -> list[str]:
    settings = {row["generation"]: row[which] for row in rows if row["arm"] == arm}
    return [_cell(settings.get(g), f"{'+' if which != 'level' else ''}") for g in generations]


def _cell(estimate: dict[str, Any] | None, sign: str) -> str:
    if estimate is None or estimate["value"] is None:
        return "none"
    places = 1 if abs(estimate["value"]) >= 10 else 3
    value = format(estimate["value"], f"{sign}.{places}f")
    if estimate["low"] is None:
        return f"{value} (no interval)"
    return (
        value if estimate["low"] == estimate["high"] else f"{value} [{estimate['low']:.{places}f}, {estimate['high']:.{places}f}]"
    )


def _work(study: dict[str, Any]) -> str:
    work = ", ".join(f"{verb} {as_time(seconds)}" for verb, seconds in study["work"].items())
    line = f"Work of all steps: {as_time(sum(study['work'].values()))} ({work})."
    if (alone := study.get("alone")) is not None:
        line += (
            f" `{alone['command']}` by itself in a fresh folder: {as_time(alone['seconds'])} (cpu {as_time(alone['cpu'])}), {alone['memory']:,.0f} MB "
            f"in its largest process, {alone['together']:,.0f} MB in all of them together; {alone['date']}, load before {alone['load_before']}."
        )
    return line


def _panel(panel: dict[str, Any]) -> str:
    """The picture of the curves, and their table."""
    rows = [
        [
            curve["name"],
            _exponent(curve["exponent"]),
            *(f"{size:,}: {as_time(seconds)}" for size, seconds in zip(curve["sizes"], curve["median"], strict=True)),
        ]
        for curve in panel["curves"]
    ]
    longest = max(map(len, rows))
    head = [f"{panel['unit']}, median", "exponent [95 %], rounds", panel["over"], *[""] * (longest - 3)]
    table = as_table(head, [row + [""] * (longest - len(row)) for row in rows])
    return f"![{panel['unit']} against {panel['over']}]({_picture(panel).relative_to(HERE)})\n\n{table}"


def _picture(panel: dict[str, Any]) -> Path:
    return RESULTS / f"growth-{panel['over']}.svg"


def _rates(rates: list[dict[str, Any]]) -> str:
    """How often what was planted was found, a row a kind of damage; in how many sets it was called kept, where that was counted, or what else was lost."""
    counts_kept = any("kept" in rate["others"] for rate in rates)
    rows = [
        [
            rate["table"],
            grouped(rate["rows"]) if rate["rows"] >= 1000 else str(rate["rows"]),
            rate["planted"],
            rate["aspect"],
            f"**{rate['found']} of {rate['sets']}** [{rate['low']:.2f}, {rate['high']:.2f}]",
            str(rate["cannot_tell"]) if rate["found"] < rate["sets"] and rate["planted"] != "nothing" else "",
            str(rate["others"].get("kept", ""))
            if counts_kept
            else ", ".join(f"{aspect} {count}" for aspect, count in rate["others"].items()),
        ]
        for rate in rates
    ]
    return as_table(
        ["table", "records", "planted", "lost in", "found [95 %]", "cannot tell", "called kept" if counts_kept else "also lost"],
        rows,
    )


def _headlines(seen: list[dict[str, Any]]) -> str:
    scores = list(seen[0]["scores"])
    rows = [[row["set"], *(f"{row['scores'][score]:.3f}" for score in scores), ", ".join(row["lost"]) or "nothing"] for row in seen]
    return "What they see:\n\n" + as_table(["set", *scores, "we say lost"], rows)


def _costs(costs: list[dict[str, Any]]) -> str:
    """A row a piece of work, with the processor time that it may take."""
    rows = [
        [cost["what"], f"**{as_time(cost['cpu'])}**", as_time(cost["target"]), "met" if cost["cpu"] <= cost["target"] else "missed", as_time(cost["seconds"]), f"{cost['memory']:,.0f} MB"]
        for cost in costs
    ]  # fmt: skip
    return as_table(["", "cpu", "target", "", "seconds", "peak memory"], rows)


def _sizes(results: dict[str, Any]) -> str:
    rows = [
        [f"{size['rows']:,}", as_time(size["seconds"]), as_time(size["cpu"]), f"{size['memory']:,.0f} MB"]
        for size in results["sizes"]
    ]
    last = results["sizes"][-1]
    is_met = last["seconds"] <= results["target_seconds"] and last["memory"] <= results["target_memory"]
    steps = zip(results["sizes"], results["sizes"][1:], strict=False)
    more = "; ".join(
        f"from {smaller['rows']:,} to {larger['rows']:,} rows {short(larger['seconds'] / smaller['seconds'])} × the time and {short(larger['memory'] / smaller['memory'])} × the memory"
        for smaller, larger in steps
    )
    return (
        as_table(["rows", "seconds", "cpu", "peak memory"], rows)
        + f"\n\nThe cost of more rows: {more}."
        + f"\n\nTarget of {last['rows']:,} rows: at most {as_time(results['target_seconds'])} and {results['target_memory']:,.0f} MB: "
        + f"{'met' if is_met else 'missed'} in this run."
    )


def _detectors(rows: list[dict[str, Any]]) -> str:
    """A row for each form of the texts, family of features and generator that is held out."""
    return _hits(["generator held out"], rows, lambda row: [row["held_out"] or "none"])


def _lock_box(rows: list[dict[str, Any]]) -> str:
    """A row for each form of the texts, detector, domain and generator."""
    return _hits(
        ["domain", "generator", "texts of models"], rows, lambda row: [row["domain"], row["generator"], f"{row['model texts']:,}"]
    )


def _hits(names: list[str], rows: list[dict[str, Any]], of_test: Callable[[dict[str, Any]], list[str]]) -> str:
    """How well detectors find texts of models. `names` are the columns that say which texts were tested, and `of_test` gives their cells."""
    table = [
        [
            row["form"],
            row["features"],
            *of_test(row),
            f"{row['area']:.3f}",
            f"{row['hits at 0.01']:.3f}",
            _ends_of([row["hits at 0.05"], *row["interval at 0.05"]]),
            _ends_of(row["gain at 0.05"]) if "gain at 0.05" in row else "–",
        ]
        for row in rows
    ]
    columns = ["area", "hits at 1 %", "hits at 5 % [95 %]", "gain over the baseline at 5 % [95 %]"]
    return as_table(["texts", "features", *names, *columns], table)


def _ends_of(numbers: list[float]) -> str:
    return f"**{numbers[0]:.3f}** [{numbers[1]:.3f}, {numbers[2]:.3f}]"


def _of_shares(rows: list[dict[str, Any]]) -> Iterable[str]:
    """The errors and the coverage of the share in each setting and how often the data are said to be unlike the samples; then both for each true share."""
    table = []
    for row in rows:
        counts = f"{row['mixtures']} of {row['splits']} splits ({row['estimated']} with a share)"
        if "detect" not in row:
            table.append([row["kind"], counts, *["–"] * 8])
            continue
        answers = row.get("where it answers")
        table.append(
            [
                row["kind"], counts, *(f"{row['detect'][name]:+.3f}" if name == "bias" else f"{row['detect'][name]:.3f}" for name in ("bias", "rmse", "largest")),
                f"**{100 * row['coverage']:.1f} %**", f"{100 * row['coverage of the drawn share']:.1f} %" if "coverage of the drawn share" in row else "–",
                f"{row['median width']:.3f}", f"{100 * row['said to be unlike']:.1f} %",
                "–" if answers is None else f"{100 * answers['coverage']:.1f} % of {answers['n']}",
            ]
        )  # fmt: skip
    yield as_table(
        [
            "",
            "mixtures",
            "bias",
            "root mean square error",
            "largest",
            "coverage",
            "of the drawn share",
            "median width",
            "said to be unlike",
            "coverage of the others",
        ],
        table,
    )
    by_share = [row for row in rows if "by share" in row]
    if by_share:
        shares = [part["share"] for part in by_share[0]["by share"]]
        cells = [
            [
                row["kind"],
                *(f"{100 * part['coverage']:.0f} % / {100 * part['said to be unlike']:.0f} %" for part in row["by share"]),
            ]
            for row in by_share
        ]
        yield f"Coverage of the interval / said to be unlike, by the true share ({min(part['n'] for row in by_share for part in row['by share'])} mixtures or more in each cell):"
        yield as_table(["", *(f"{100 * share:g} %" for share in shares)], cells)


def _powers(results: dict[str, Any]) -> str:
    """A row a test: how often it sees the other generator at each share, with the interval over splits."""
    rows, groups = results["powers"], results["groups"]
    table = [[name, *(_power(row["powers"][name]) for row in rows)] for name in rows[0]["powers"]]
    where = f"Power at a rate of false alarms of 5 %, {rows[0]['mixtures']} mixtures of {rows[0]['splits']} splits in each cell, {'all' if groups is None else groups} groups of texts in each split, half of them for the samples, by the share of the other generator:"
    shares = [f"{100 * row['share']:g} %" for row in rows]
    return f"{where}\n\n{as_table(['', *shares], table)}"


def _power(power: dict[str, float | None]) -> str:
    return (
        f"**{power['value']:.2f}** (all splits agree)"
        if power["half"] is None
        else f"**{power['value']:.2f}** ± {power['half']:.2f}"
    )


def _speed(speed: dict[str, Any]) -> Iterable[str]:
    fit, read = speed["fit"], speed["likelihood"]
    yield f"Fit to {fit['texts']:,} texts: **{fit['cpu']:.1f} s** of processor ({fit['seconds']:.1f} s by the clock; target {fit['target']:g} s)."
    rows = [
        [
            f"{row['words']} words",
            f"**{row['by cpu']:,.0f}** [{row['smallest']:,.0f}, {row['largest']:,.0f}]",
            "–" if row["target"] is None else f"{row['target']:,.0f}",
        ]
        for row in speed["judged"]
    ]
    yield as_table(["texts of", "judged by second of one core [least, largest]", "target"], rows)
    yield (
        f"Likelihood: {read['ours']:,.0f} tokens by second of processor, {read['bound']:,.0f} for the forward pass alone on the same {read['batches']} batches: "
        f"**{100 * read['share of the bound']:.0f} %** of the bound [{100 * read['smallest']:.0f}, {100 * read['largest']:.0f}], {read['pairs']} pairs, {read['tokens']:,} tokens."
    )


def _memory_of_texts(rows: list[dict[str, Any]]) -> str:
    table = [
        [
            f"{row['MB']:,} MB" + (", short texts" if row["is short"] else ""),
            f"{row['texts']:,}",
            f"{row['memory']:,.0f} MB",
            as_time(row["processor seconds"]),
            as_time(row["seconds"]),
        ]
        for row in rows
    ]
    return as_table(["file", "texts", "peak memory", "cpu", "seconds"], table)


def _exponent(estimate: dict[str, Any]) -> str:
    return f"**{estimate['value']:.2f}** [{estimate['low']:.2f}, {estimate['high']:.2f}], {estimate['n']}"


def _measured(results: dict[str, Any]) -> str:
    machine, question, date = results["machine"], results["question"], results["date"]
    if isinstance(machine, str):
        return f"*`{question}`: results stored {date}; the machine is {machine}.*"
    versions = ", ".join(f"{name} {version}" for name, version in machine["packages"].items() if version)
    return (
        f"*`{question}`: {date}, load before {results['load_before'][0]}; {machine['processor']} ({machine['capability']}), {machine['cores']} cores, "
        f"{machine['memory_gb']} GB, {machine['platform']}; Python {machine['python']}, {versions}.*"
    )


BODIES: dict[str, Callable[[dict[str, Any]], Iterable[str]]] = {
    "figures": _of_figures,
    "rates": lambda results: [_rates(results["rates"])],
    "damages": lambda results: [_damages(results["damages"])],
    "seen": _of_sets,
    "regions": lambda results: [_regions(results["regions"])],
    "chosen": lambda results: [*map(_chosen, results["chosen"]), _routed(results["routed"]), _held_out(results["auroc"])],
    "sculpted": lambda results: [_sculpted(results["sculpted"]), _verdicts(results["verdicts"])],
    "surpass": lambda results: [_surpassed([*results["surpass"], *results["theorem"]])],
    "numbers": _communities,
    "routing": lambda results: [_routing(results["routing"])],
    "students": lambda results: [_students(results["students"])],
    "equal_k": lambda results: [_equal_k(results["equal_k"])],
    "claims": lambda results: [_claims(results["claims"]), _beside(results["beside"]), _unbiased(results["unbiased"])],
    "sizes": lambda results: [_sizes(results)],
    "detectors": lambda results: [_detectors(results["detectors"])],
    "lock_box": lambda results: [_lock_box(results["lock_box"])],
    "shares": lambda results: _of_shares(results["shares"]),
    "powers": lambda results: [_powers(results)],
    "speed": lambda results: _speed(results["speed"]),
    "files": lambda results: [_memory_of_texts(results["files"])],
    "alarms": lambda results: [_alarms(results["alarms"]), _leads(results["leads"])],
    "forecasts": _of_forecasts,
    "families": lambda results: [_families(results)],
    "costs": lambda results: [_costs(results["costs"])],
    "panels": lambda results: map(_panel, results["panels"]),
    "grids": lambda results: tables_of_checks.of_grids(results["grids"]),
    "tails": lambda results: tables_of_checks.of_tails(results["tails"]),
    "origins": tables_of_selections.of_origins,
    "spreads": tables_of_selections.of_spreads,
    "selections": tables_of_selections.of_text,
    "searches": lambda results: tables_of_selections.of_searches(results["searches"]),
    "over_seeds": tables_of_selections.of_toxic_students,
}
"""By a key that its results hold: how a section is written; a study of a run over seeds holds none of them."""
