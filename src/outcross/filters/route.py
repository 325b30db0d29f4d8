from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.filters import Candidates, Filter, FilterPage, Selection
from outcross.filters.judging import ByNumber, check_column, columns_of, functions_of, name_of, needs_of, numbers_of
from outcross.recipe import FROM_LIST, nearest, recipe

OTHER, NO_ANSWER, NO_NUMBER = (
    "another answer was kept for its prompt",
    "the teacher of its prompt gave no answer",
    "it has no number",
)
WORDS = 20_000
"""The maximum number of words and word pairs of prompts that a router uses."""


@recipe
class RouteFilter(Filter):
    """Keep one answer per prompt from the answers of several teachers: by a table, at random, by a reward, or by a router that sees only the prompt."""

    rule: Literal["random", "single", "table", "reward", "learned"]
    """random: a random teacher for each prompt; single: the teacher with the highest mean reward, for all prompts; table: the teacher that `table` names for the
    prompt's value in the column `by`; reward: the answer with the highest reward; learned: the teacher that a model predicts to be the best, from the prompt alone."""
    reward: ByNumber = None
    """An attribute, {column: NAME}, or in Python a function of answers. Higher is better."""
    by: str | None = None
    """The column whose values `table` maps to teachers, such as `language`."""
    table: dict[str, str] = field(default_factory=dict)
    """{value: model}. The value * stands for all values that are not listed."""
    columns: Annotated[tuple[str, ...], FROM_LIST] = ()
    """Columns that the router uses in addition to the words of the prompt."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Rewards are turned into shares of teachers by exp(reward / (temperature × standard deviation of rewards within prompts))."""
    ridge: Annotated[float, Field(gt=0)] = 1.0
    """The strength of the ridge penalty on the router's coefficients."""
    folds: Annotated[int, Field(ge=2, le=100)] = 5
    """The number of folds of the cross-fitting. Each prompt is routed by a router that has not seen its rewards."""
    most_missing: Annotated[float, Field(ge=0, le=1)] = 0.1
    """The maximum fraction of answers without a number, in [0, 1]."""

    page = FilterPage(
        "route", "One answer of each prompt is kept. learned: multinomial logistic regression on the words of the prompt (TF-IDF) and given columns, trained by KL divergence to the shares that rewards give the teachers, cross-fitted over prompts.",
        "The student learns what the reward prefers: a reward that prefers long answers routes prompts to the teacher that writes them, and an evaluation that resembles the reward will not notice. Use an exact check as well.",
        "Odumakinde et al., arXiv 2408.14960 (multilingual arbitrage)",
    )  # fmt: skip
    libraries = ("polars", "scikit-learn", "scipy")

    @model_validator(mode="after")
    def _is_whole(self):
        if self.rule in ("single", "reward", "learned") and self.reward is None:
            raise ValueError(f"rule: {self.rule} needs a reward; name an attribute, or {{column: NAME}}")
        if (self.rule == "table") != bool(self.table):
            raise ValueError("rule: table and a table {value: model} need each other; give both or neither")
        if self.rule == "table" and self.by is None and [*self.table] != ["*"]:
            raise ValueError("a table needs a column of the prompts; name it, as in by: language, or write {'*': MODEL}")
        return self

    @property
    def samples(self):
        return "prompts"

    @property
    def needs(self):
        return needs_of(self.reward)

    @property
    def functions(self):
        return functions_of(self.reward)

    def reads(self, columns):
        for name in (*self.columns, *([self.by] if self.by else [])):
            check_column(name, columns)
        return tuple(dict.fromkeys((*self.columns, *([self.by] if self.by else []), *columns_of(self.reward, columns))))

    @property
    def prefers(self):
        if self.rule in ("random", "table"):
            return "" if self.rule == "random" else "of each prompt the teacher that a table names"
        word = {"single": "the teacher", "reward": "the answer", "learned": "the teacher expected to give the answer"}[self.rule]
        return f"of each prompt {word} with the most {name_of(self.reward)}"

    def bounds(self, candidates):
        return 0, candidates

    def select(self, candidates, rng):
        n = len(candidates)
        models = np.asarray(candidates.models, dtype=object)
        of_teacher = np.array([model != "" for model in models], dtype=bool)
        if not of_teacher.any():
            if n:
                raise NotApplicable(
                    "needs the model that wrote each candidate, and none is known; in a mix give each pool an origin, as in {model: NAME}"
                )
            return Selection(np.zeros(0, np.int64), reasons=(OTHER, NO_ANSWER, NO_NUMBER))
        asked = _Answers.of(candidates, models, np.flatnonzero(of_teacher))
        rewards = None if self.reward is None else numbers_of(self.reward, candidates, self.most_missing)
        marks, usable = rng.permutation(n), np.ones(n, bool)
        notes, facts = [], {}
        if self.rule == "reward":
            assert rewards is not None
            usable = ~np.isnan(rewards)
            chosen = asked.best(asked.rows, np.where(usable, rewards, -np.inf), marks, usable)
        else:
            teacher, notes, facts = self._teachers(asked, candidates, rewards, rng)
            is_of = teacher[asked.prompt] == asked.teacher
            chosen = asked.best(asked.rows[is_of], np.zeros(n), marks, usable)
        times = np.where(of_teacher, 0, 1)
        times[chosen] = 1
        answered = np.zeros(asked.prompts, bool)
        answered[asked.prompt[np.isin(asked.rows, chosen)]] = True
        reason = np.full(n, -1)
        reason[asked.rows] = np.where(answered[asked.prompt], 0, 1)
        if self.rule == "reward":
            reason[~usable] = 2
        reason[times > 0] = -1
        if alone := int((~of_teacher).sum()):
            notes = [*notes, f"{alone:,} candidates name no model; they are kept and not routed"]
        counts = np.bincount(asked.teacher[np.isin(asked.rows, chosen)], minlength=len(asked.names))
        facts |= {
            "teachers": dict(zip(asked.names, counts.tolist(), strict=True)),
            "prompts": asked.prompts,
            "answered": int(answered.sum()),
        }
        return Selection(
            times, value=rewards, reason=reason, reasons=(OTHER, NO_ANSWER, NO_NUMBER), notes=tuple(notes), facts=facts
        )

    def _teachers(
        self, asked: _Answers, candidates: Candidates, rewards: np.ndarray | None, rng: np.random.Generator
    ) -> tuple[np.ndarray, list[str], dict[str, Any]]:
        """Return the index of the teacher that each prompt is routed to, (prompts,), with notes and facts."""
        if self.rule == "random":
            draws = np.where(asked.has, rng.random(asked.has.shape), -1)
            return draws.argmax(axis=1), [], {}
        if self.rule == "table":
            if len(asked.names) == 1:
                return (
                    np.zeros(asked.prompts, np.int64),
                    [f"{asked.names[0]} wrote every candidate, so that no prompt is routed"],
                    {},
                )
            return self._by_table(asked, candidates), [], {}
        assert rewards is not None
        means = asked.means(rewards)
        if self.rule == "single":
            best = int(np.nanargmax(np.nanmean(means, axis=0)))
            return np.full(asked.prompts, best), [f"{asked.names[best]} has the highest mean reward"], {}
        return self._learned(asked, candidates, means, rng)

    def _by_table(self, asked: _Answers, candidates: Candidates) -> np.ndarray:
        for model in self.table.values():
            if model not in asked.names:
                raise BadInput(
                    f"table names the model {model!r}{nearest(model, asked.names)}, which wrote no candidate; there are {', '.join(asked.names)[:200]}"
                )
        place = {name: number for number, name in enumerate(asked.names)}
        if self.by is None:
            return np.full(asked.prompts, place[self.table["*"]])
        values = _words(candidates, self.by)[asked.first]
        chosen = np.empty(asked.prompts, np.int64)
        for prompt, value in enumerate(values):
            model = self.table.get(value, self.table.get("*"))
            if model is None:
                raise BadInput(
                    f"table has no entry for {self.by} {value!r:.80}{nearest(value, self.table)}; add it, or one for '*'"
                )
            chosen[prompt] = place[model]
        return chosen

    def _learned(
        self, asked: _Answers, candidates: Candidates, means: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, list[str], dict[str, Any]]:
        wanted = shares_of_rewards(means, self.temperature)
        features = self._features(asked, candidates)
        if asked.prompts < 2 * self.folds or len(asked.names) < 2:
            raise NotApplicable(
                f"needs at least {2 * self.folds} prompts and two teachers for its router, and there are {asked.prompts} and {len(asked.names)}"
            )
        fold = rng.permutation(asked.prompts) % self.folds
        expected, usual = np.empty_like(wanted), np.empty_like(wanted)
        for number in range(self.folds):
            seen = fold != number
            expected[~seen] = expected_shares(features[seen], wanted[seen], features[~seen], self.ridge)
            usual[~seen] = wanted[seen].mean(axis=0)
        loss, baseline = (_divergence(wanted, np.where(asked.has, guess, 0)) for guess in (expected, usual))
        gain = baseline - loss
        error = 1.96 * float(gain.std(ddof=1)) / np.sqrt(len(gain))
        facts = {
            "kl": float(loss.mean()),
            "kl_without_prompts": float(baseline.mean()),
            "gain": {"value": float(gain.mean()), "low": float(gain.mean() - error), "high": float(gain.mean() + error), "n": len(gain), "method": "mean over prompts that the router had not seen, normal interval"},
        }  # fmt: skip
        note = f"on prompts that the router had not seen, its KL divergence from the rewards' shares is {facts['kl']:.3g} nats; without the prompts it would be {facts['kl_without_prompts']:.3g} (gain {gain.mean():.3g} ± {error:.2g}, n = {len(gain):,})"
        return np.where(asked.has, expected, -1).argmax(axis=1), [note], facts

    def _features(self, asked: _Answers, candidates: Candidates) -> Any:
        from scipy.sparse import hstack
        from sklearn.preprocessing import OneHotEncoder

        from outcross.text.tf_idf import tf_idf

        parts = []
        try:
            texts = candidates.prompt_texts
            parts.append(tf_idf([texts[row] for row in asked.first.tolist()], WORDS))
        except NotApplicable:
            pass
        if not self.columns and not any(words.shape[1] for words in parts):
            raise NotApplicable("needs the words of prompts, or columns that describe them, for its router")
        if self.columns:
            values = np.column_stack([_words(candidates, name)[asked.first] for name in self.columns])
            parts.append(OneHotEncoder().fit_transform(values))
        return hstack(parts).tocsr()


class _Answers:
    """The answers of teachers, by prompt and teacher."""

    def __init__(self, rows: np.ndarray, prompt: np.ndarray, teacher: np.ndarray, names: list[str]):
        self.rows, self.prompt, self.teacher, self.names = rows, prompt, teacher, names
        self.prompts = int(prompt.max(initial=-1)) + 1
        self.has = np.zeros((self.prompts, len(names)), bool)
        """Whether each teacher answers each prompt, (prompts, teachers)."""
        self.has[prompt, teacher] = True
        self.first = np.empty(self.prompts, np.int64)
        """The index of the first candidate of each prompt, (prompts,)."""
        self.first[prompt[::-1]] = rows[::-1]

    @classmethod
    def of(cls, candidates: Candidates, models: np.ndarray, rows: np.ndarray) -> _Answers:
        prompt = np.unique(np.asarray(candidates.prompts)[rows], return_inverse=True)[1]
        names, teacher = np.unique(models[rows].astype(str), return_inverse=True)
        return cls(rows, prompt, teacher, names.tolist())

    def means(self, rewards: np.ndarray) -> np.ndarray:
        """Return the mean reward of each teacher on each prompt, (prompts, teachers); NaN if it has none."""
        row_rewards = rewards[self.rows]
        there = ~np.isnan(row_rewards)
        sums, counts = np.zeros(self.has.shape), np.zeros(self.has.shape)
        np.add.at(sums, (self.prompt[there], self.teacher[there]), row_rewards[there])
        np.add.at(counts, (self.prompt[there], self.teacher[there]), 1)
        return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)

    def best(self, rows: np.ndarray, values: np.ndarray, marks: np.ndarray, usable: np.ndarray) -> np.ndarray:
        """Return the index of the answer with the highest value for each prompt among `rows`. Random marks break ties."""
        rows = rows[usable[rows]]
        prompt = self.prompt[np.searchsorted(self.rows, rows)]
        order = np.lexsort((marks[rows], -values[rows], prompt))
        return rows[order[np.flatnonzero(np.diff(prompt[order], prepend=-1))]]


def shares_of_rewards(means: np.ndarray, temperature: float) -> np.ndarray:
    """Turn the rewards of teachers into shares of each prompt, (prompts, teachers): exp(reward / (temperature × s)) divided by the sum over teachers.

    s is the standard deviation of rewards within prompts. The share is 0 if there is no answer.
    """
    there = ~np.isnan(means)
    centred = np.where(there, means - np.nanmean(np.where(there.any(axis=1, keepdims=True), means, 0), axis=1, keepdims=True), 0.0)
    spread = float(np.sqrt(np.sum(centred**2) / max(int(there.sum()) - int(there.any(axis=1).sum()), 1))) or 1.0
    marks = np.where(there, np.exp((centred - centred.max(axis=1, keepdims=True)) / (temperature * spread)), 0.0)
    return np.divide(marks, marks.sum(axis=1, keepdims=True), out=np.zeros_like(marks), where=marks.sum(axis=1, keepdims=True) > 0)


def expected_shares(features: Any, wanted: np.ndarray, others: Any, ridge: float) -> np.ndarray:
    """Predict the shares of teachers for other prompts, (others, teachers), by multinomial logistic regression on shares in place of classes."""
    from scipy.optimize import minimize

    teachers = np.flatnonzero(wanted.sum(axis=0) > 0)
    shares = np.zeros((others.shape[0], wanted.shape[1]))
    if teachers.size < 2:
        shares[:, teachers] = 1.0
        return shares
    target = np.ascontiguousarray(wanted[:, teachers].T)  # (teachers, n): sums over teachers are sums of long rows
    total, weight = float(target.sum()), target.sum(axis=0)
    # Two teachers are penalised twice, which equals binary logistic regression on their difference.
    penalty = (2 if teachers.size == 2 else 1) * ridge / total

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the cross entropy of the shares (their divergence plus a constant) with the ridge penalty, and its gradient."""
        coefficients, intercepts = _split(flat, teachers.size)
        logs = _log_shares(features, coefficients, intercepts)
        excess = (weight * np.exp(logs) - target) / total
        gradient = np.concatenate([(features.T @ excess.T + penalty * coefficients).ravel(), excess.sum(axis=1)])
        return float(-(target * logs).sum() / total + penalty / 2 * (coefficients**2).sum()), gradient

    start = np.zeros((features.shape[1] + 1) * teachers.size)
    best = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000, "gtol": 1e-4})
    shares[:, teachers] = np.exp(_log_shares(others, *_split(best.x, teachers.size))).T
    return shares


def _split(flat: np.ndarray, teachers: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the coefficients, (features, teachers), and the intercepts, (teachers,)."""
    return flat[:-teachers].reshape(-1, teachers), flat[-teachers:]


def _log_shares(features: Any, coefficients: np.ndarray, intercepts: np.ndarray) -> np.ndarray:
    """Return the logarithm of the predicted share of each teacher, (teachers, n)."""
    from scipy.special import log_softmax

    return log_softmax(np.ascontiguousarray((features @ coefficients + intercepts).T), axis=0)


def _divergence(wanted: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the KL divergence of the predicted shares from the shares of the rewards for each prompt, over its own teachers, in nats, (prompts,)."""
    expected = expected / np.maximum(expected.sum(axis=1, keepdims=True), 1e-300)
    terms = np.where(wanted > 0, wanted * (np.log(np.maximum(wanted, 1e-300)) - np.log(np.maximum(expected, 1e-300))), 0.0)
    return terms.sum(axis=1)


def _words(candidates: Candidates, name: str) -> np.ndarray:
    """Return a column as words, with `missing` for a missing value, (n,)."""
    import polars as pl

    return candidates.column(name).cast(pl.String).fill_null("missing").to_numpy().astype(object)
