"""A command a verb: parse, call, print."""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from outcross.errors import BadInput, OutcrossError, first_words, is_of_the_machine
from outcross.escapes import escaped, escaped_json

app = App(
    name="outcross",
    help="Train on AI-generated data without model collapse: run the recursive loop, see what is lost.",
    version="0.1.0",
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
)

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON object and nothing else.")]
Seeds = Annotated[bool, Parameter(name="--seeds", negative="", help="Of a run, print every seed by itself.")]
Quiet = Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="Print only errors.")]


@app.command
def run(
    spec: str,
    *settings: str,
    out: Path | None = None,
    workers: int | None = None,
    ray: str | None = None,
    device: str = "cpu",
    fork: bool = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Run an experiment: what happens if models keep learning from models, under this data policy?

    Parameters
    ----------
    spec
        An experiment file, or the name of a built-in experiment (see `outcross list experiments`).
    settings
        Changes to it, as key.subkey=value (generations=10, human.rows=50).
    out
        The run's folder; runs/NAME if left out. A folder of the same experiment is gone on with.
    workers
        Arms run at a time, one thread each; as many as there are cores if left out.
    ray
        A Ray cluster's address to run the arms on, or "local" to start one here; its machines must share the folder.
    device
        Where networks are trained: cpu, cuda, cuda:1.
    fork
        Where the folder holds another experiment: a new folder beside it that reuses every step that still fits.
    """
    from outcross.files import outputs
    from outcross.verbs import run as running
    from outcross.verbs.run.progress import Silence, watcher
    from outcross.verbs.run.screen import end_lines
    from outcross.verbs.terminal import width

    made = running.arms_of(running.RunQuestion(spec, settings))
    # What is fitted in closed form is sooner done in one process.
    count = _workers(workers, len(made) if made[0].experiment.learner.trains else 1)
    begun = running.run(
        spec, settings, out=out or Path("runs") / made[0].experiment.name, workers=count, fork=fork, device=device, ray=ray
    )
    assert begun.folder is not None
    outputs.check_page(begun.folder / "report.html")
    with Silence() if quiet or as_json else watcher(made, count) as watch:
        begun.finish(watch)
    page = begun.report()
    if as_json:
        _print_json(begun.plain() | {"report": str(page)})
    elif not quiet:
        print(*end_lines(begun, width()), f"report: {escaped(str(page))}", sep="\n")


@app.command
def audit(
    *synthetic: str,
    reference: str | None = None,
    holdout: str | None = None,
    before: str | None = None,
    after: str | None = None,
    group: str = "",
    target: str | None = None,
    text_column: str | None = None,
    kind: list[str] | None = None,
    aspects: str = "",
    margin: list[str] | None = None,
    thresholds: Path | None = None,
    fail_on: str = "",
    shares: str | None = None,
    generations: Annotated[bool, Parameter(negative="")] = False,
    arm: str | None = None,
    rate: float | None = None,
    seed: int | None = None,
    most_columns: int | None = None,
    most_seconds: float | None = None,
    out: Path | None = None,
    workers: int | None = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Audit data: what has it lost, compared with human data?

    Parameters
    ----------
    synthetic
        A run folder (every generation of every arm, of its first seed, is held against the human data of the run), or sets to audit: .csv .tsv .parquet .jsonl .ndjson .npz .npy .idx .txt, also .gz and .zst, or a folder of shards; quote a glob to make its files one set.
    reference
        Human data with the same columns.
    holdout
        More human data, which no generator has seen: what copies and neighbours are held against.
    before
        With --after: what a filter was given, in place of --reference.
    after
        With --before: what the filter let through.
    group
        Columns that say which group a record belongs to, as in sex,race.
    target
        The column that people would predict, for the aspect `use`.
    text_column
        The column that holds text.
    kind
        What a column is, as column=number, category or text; may be given several times.
    aspects
        Only these, as in tails,groups; all if left out.
    margin
        The smallest loss worth naming, as in tails=0.9 or groups.share=0.8; may be given several times.
    thresholds
        A YAML file that says any of these: margins, fail_on, groups, target, text_column, kinds, aspects, rate, seed.
    fail_on
        Aspects in which a loss, or an invention, makes the exit code 1, as in tails,groups; any for all.
    shares
        For the aspect `use`: how much synthetic data to add, first:last:step as in 0:2:0.25.
    generations
        The sets are generations, in order: when was each aspect first lost?
    arm
        Of a run, this arm alone.
    rate
        False-discovery rate, 0.05 if left out.
    seed
        Of the random streams, 0 if left out.
    most_columns
        Columns looked at, 200 if left out.
    most_seconds
        Seconds after which no further aspect is begun; all if left out.
    out
        A folder for audit.json, report.html, audit.md and the records pointed at.
    workers
        Sets audited at a time, one thread each; as many as there are cores if left out. Each reads the human data for itself: memory is that of one audit times as many.
    """
    from outcross.ledger import results
    from outcross.verbs.audit import command as auditing

    flags = auditing.Flags(
        groups=group, target=target, text_column=text_column, kinds=kind, aspects=aspects, margins=margin, fail_on=fail_on, shares=shares,
        rate=rate, seed=seed, most_columns=most_columns, most_seconds=most_seconds,
    )  # fmt: skip
    given = auditing.Given(synthetic, reference, holdout, before, after, arm)
    sets = given.sets()
    question, gates = auditing.asked(flags, thresholds)
    inputs = [*given.inputs(), *([thresholds] if thresholds else [])]
    with nullcontext() if out is None else results.opened(out, "audit", inputs) as ledger:
        made = auditing.audited(given, sets, question, _workers(workers, len(auditing.turns(sets))), ledger)
        if ledger is not None:
            auditing.write(made, ledger, generations)
    if as_json:
        _print_json(auditing.plain(made, generations))
    elif not quiet:
        auditing.show(made, generations, out)
    auditing.check_gates(made, gates)


@app.command
def report(*results: Annotated[Path, Parameter(json_list=False)], out: Path | None = None, as_json: Json = False) -> None:
    """Write any result as one HTML file that opens offline.

    Parameters
    ----------
    results
        Folders of runs, or of audits; several are put together.
    out
        The file to write; if left out, report.html in the folder, or compare.html beside the first of several.
    """
    if not results:
        raise BadInput("report needs a folder of a run or an audit; write outcross report runs/stdlib")
    page = _report(*results, out=out)
    _print_json({"schema": 1, "report": str(page)}) if as_json else print(f"report: {escaped(str(page))}")


@app.command
def show(what: str, *settings: str, seeds: Seeds = False, as_json: Json = False) -> None:
    """Print what a run or an audit found (of a run the last generation of every arm, its seeds pooled; --json: all), or what an experiment says, every key resolved, with what each generation learns from.

    Parameters
    ----------
    what
        A folder of a run or an audit, an experiment file, or the name of a built-in experiment.
    settings
        Changes to an experiment, as `run` takes them.
    """
    from outcross.files.names import kind_at
    from outcross.verbs.audit import command as auditing
    from outcross.verbs.run import open as opened
    from outcross.verbs.run.screen import run_lines
    from outcross.verbs.terminal import comment_lines, width

    if kind_at(what) != "folder":
        from outcross.experiment import load
        from outcross.experiment.arms import described, planned
        from outcross.files.plain_yaml import dump

        loaded = load(what, settings)
        (told, missing), plans = described(loaded), planned(loaded)
        if as_json:
            _print_json({"schema": 1, "experiment": told, "plan": plans, "missing": missing})
        else:
            print(*(f"# {key} is missing: give it before this can be run, as in {key}=FILE\n" for key in missing), sep="", end="")
            print(dump(told, width()), end="")
            print("\n".join(comment_lines(plans, width())))
        return
    if settings:
        raise BadInput(f"{what} is a folder, which has no settings to change ({settings[0]!r:.80}); leave them out")
    if (found := auditing.stored(Path(what))) is not None:
        made, are_generations = {"": found[0]}, found[1]
        _print_json(auditing.plain(made, are_generations)) if as_json else auditing.show(made, are_generations, None)
        return
    run = opened(what)
    _print_json(run.plain()) if as_json else print("\n".join(run_lines(run, width(), every_seed=seeds)))


@app.command(name="list")
def list_(family: str = "", as_json: Json = False) -> None:
    """List the parts, each with the paper that it comes from.

    Parameters
    ----------
    family
        experiments, policies, models, measures, attributes, sources, definitions or laws; all if left out.
    """
    from outcross.verbs.parts import parts
    from outcross.verbs.terminal import part_lines, width

    told = parts(family)
    _print_json({"schema": 1, "parts": told}) if as_json else print("\n".join(part_lines(told, width())))


def _workers(asked: int | None, most: int) -> int:
    """As many as asked for; else one a core, at most so many."""
    if asked is not None:
        if asked < 1:
            raise BadInput(f"--workers must be at least 1, got {asked}")
        return asked
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, most))


def _report(*folders: Path, out: Path | None = None) -> Path:
    from outcross.files import outputs
    from outcross.verbs.audit import command as auditing
    from outcross.verbs.run import open as opened
    from outcross.verbs.run.page import write_runs

    page = out or (folders[0] / "report.html" if len(folders) == 1 else folders[0].parent / "compare.html")
    outputs.check_page(page)
    return auditing.report(folders, page) or write_runs([opened(folder) for folder in folders], page)


def _print_json(told: Any) -> None:
    print(escaped_json(json.dumps(told, allow_nan=False, ensure_ascii=False)))


def main(arguments: list[str] | None = None) -> None:
    """The command line: every error is one line on standard error, and an exit code (design.md)."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name need not be text
    try:
        _check_text(sys.argv[1:] if arguments is None else arguments)
        app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        if sys.stdout is not None:  # a shell may close it (>&-)
            sys.stdout.flush()
        code = 0
    except OutcrossError as error:
        code = _fail(str(error), error.exit_code)
    except CycloptsError as error:
        code = _fail(" ".join(str(error).split()), 2)
    except SystemExit:
        raise
    except KeyboardInterrupt:
        code = _fail("interrupted; run the same command again to go on", 130)
    except BrokenPipeError:
        if sys.stdout is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except MemoryError:
        code = _fail("out of memory; finished steps are kept, make the experiment smaller or use fewer --workers", 3)
    except OSError as error:
        code = _fail(f"{error.filename or 'the machine'}: {error.strerror or first_words(error)}", 3)
    except BaseException as error:  # a panic of a library in Rust is no Exception
        if os.environ.get("OUTCROSS_DEBUG"):
            raise
        blame = "the machine gave out" if is_of_the_machine(error) else "this is a bug in outcross, please report it"
        code = _fail(f"{blame}: {type(error).__name__}: {first_words(error, LONGEST)}", 3)
    sys.exit(code)


def _check_text(arguments: list[str]) -> None:
    for argument in arguments:
        if "\0" in argument or (not argument.isascii() and any("\ud800" <= letter <= "\udfff" for letter in argument)):
            raise BadInput(f"{argument!r} is not UTF-8 text; rename the file, or set a UTF-8 locale")


def _fail(message: str, code: int) -> int:
    print("outcross: " + _one_line(message), file=sys.stderr)
    return code


LONGEST = 2000
"""Characters of an error: one line, even where the value that it names is a page."""


def _one_line(message: str) -> str:
    """The message on one line, with what a terminal would obey or cannot show escaped, a line break in a name too."""
    message = message.strip()
    message = message if len(message) <= LONGEST else f"{message[: LONGEST // 2]} … {message[-LONGEST // 2 :]}"
    return escaped(message)
