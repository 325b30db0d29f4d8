"""The function `mix`, which turns a question into a training set."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from outcross import own_parts
from outcross.errors import BadInput
from outcross.ledger import Ledger, results
from outcross.runtime import Where
from outcross.runtime.threads import one_thread_each
from outcross.verbs.asking import check_not_empty, check_workers, settings_apart
from outcross.verbs.mix.asked import MixRecipe, read_asked
from outcross.verbs.mix.mixing import Mixing
from outcross.verbs.mix.question import MixQuestion
from outcross.verbs.mix.result import Mix


@one_thread_each()
def mixed(question: MixQuestion) -> Mix:
    """Return the requested mix. If the question names a folder the mix is written; otherwise its rows are drawn on first use.

    Raises BadInput, before anything is written, if the request is impossible. The message names the nearest possible requests.
    """
    own_parts.load(question.imports)
    with own_parts.beside(question.spec), own_parts.blaming():
        asked, data = read_asked(question.spec)
    for function in (getattr(mix_filter.filter, "function", None) for mix_filter in asked.filters):
        if function is not None:
            own_parts.check_function(function)
    if question.plan and question.out is not None and asked.search is None:
        raise BadInput("--plan writes nothing, and --out names a folder to write; leave out one of them")
    check_workers(question.workers)
    mixing = Mixing(asked, data, question.plan, Where(question.workers or 1, question.ray))
    mix = Mix(mixing if asked.search is None else _with_shares(mixing, question), is_plan=question.plan)
    with own_parts.blaming():
        if question.out is not None and not question.plan:
            return mix.write(question.out)
        _ = mix.plan
    return mix


def _with_shares(mixing: Mixing, question: MixQuestion) -> Mixing:
    """Return the mix with the shares that a search finds. Its trials are stored in the folder of the mix, if one is named, also for a plan."""
    from outcross.verbs.mix.search.work import searched

    if question.out is None:
        return mixing.with_shares(searched(mixing, Ledger(None)))
    with results.opened(Path(question.out), "mix", [*mixing.inputs()]) as ledger:
        mixing.filtered_by(ledger)
        return mixing.with_shares(searched(mixing, ledger))


SETTINGS = tuple(field.name for field in fields(MixRecipe))
"""The keys of a mix file. In Python each may be given as a keyword."""


def mix(spec: Any = None, **keywords: Any) -> Mix:
    """Build a training set out of human and synthetic pools, with the origin of every row.

    `spec` is a mix file, or a mapping with the same keys. The keys may also be given as keywords: `pools=`, `rows=`, `human_share=`,
    `max_repeats=`, `order=`, `seed=` … In place of its `path`, a pool may have `data`: a frame, a Hugging Face dataset or a list of records. With
    `out` the mix is written into that folder. Raises BadInput if the request is impossible, with the nearest possible requests.

    >>> human, model = {"text": ["a", "b", "c"]}, {"text": ["d", "e", "f", "g", "h", "i", "j"]}
    >>> pools = [{"name": "human", "data": human, "origin": "human"}, {"name": "gpt", "data": model, "origin": {"model": "gpt-x"}}]
    >>> mixed = mix(pools=pools, rows=10, human_share=0.3)
    >>> mixed.manifest["realised"]["human_share"], mixed.frame()["_source"].head(4).to_list()
    (0.3, ['gpt', 'human', 'gpt', 'gpt'])
    """
    settings, asked = settings_apart(keywords, SETTINGS, MixQuestion)
    if settings and spec is not None and not isinstance(spec, Mapping):
        raise BadInput(f"the mix file {spec} and the keyword {next(iter(settings))}= both describe the mix; give only one of them")
    if spec is None and not settings:
        raise BadInput("mix needs pools; write mix(pools=[…], rows=…), or name a mix file")
    question = MixQuestion(settings if spec is None else {**spec, **settings} if settings else spec, **asked)
    check_not_empty(question)
    return mixed(question)


mix.__signature__ = inspect.signature(MixQuestion)  # type: ignore[attr-defined]


def for_command(question: MixQuestion) -> Mix:
    """Return the mix of a command. Raises BadInput unless the command has --out or --plan."""
    if question.out is None and not question.plan:
        raise BadInput("mix needs a folder to write to; pass --out DIR, or --plan to write nothing")
    if question.out is not None and Path(question.out).resolve() == Path(str(question.spec)).resolve():
        raise BadInput(f"--out {question.out} is the mix file; name a folder")
    return mixed(question)
