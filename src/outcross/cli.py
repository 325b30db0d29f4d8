"""One command for each verb: it reads the question, calls the verb and prints the result.

The options of a command are the fields of its question.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from outcross.errors import BadInput, OutcrossError, first_words, is_of_the_machine
from outcross.escapes import escaped, escaped_json
from outcross.verbs.asking import as_many_as_cores
from outcross.verbs.audit.question import AuditQuestion
from outcross.verbs.card.question import CardQuestion
from outcross.verbs.detect.question import DetectQuestion
from outcross.verbs.export.question import ExportQuestion
from outcross.verbs.forecast.question import ForecastQuestion
from outcross.verbs.list import ListQuestion
from outcross.verbs.mix.question import MixQuestion
from outcross.verbs.report import ReportQuestion
from outcross.verbs.reproduce.question import ReproduceQuestion
from outcross.verbs.run.question import RunQuestion
from outcross.verbs.show import ShowQuestion

app = App(
    name="outcross",
    help="Train on AI-generated data without model collapse: run the recursive loop, see what is lost.",
    version="0.1.0",
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(negative=(), show_default=False, json_list=False, json_dict=False),
)

Json = Annotated[bool, Parameter(name="--json", help="Print one JSON object and nothing else.")]
Quiet = Annotated[bool, Parameter(name=["--quiet", "-q"], help="Print only errors.")]


@app.command(help=RunQuestion.__doc__)
def run(question: RunQuestion, *, quiet: Quiet = False, as_json: Json = False) -> None:
    from outcross.verbs.run.answer import begun, in_a_folder
    from outcross.verbs.run.progress import watcher
    from outcross.verbs.run.screen import end_lines, note_lines
    from outcross.verbs.silence import Silence
    from outcross.verbs.terminal import width

    result = begun(in_a_folder(question))
    if not (as_json or quiet):
        for line in note_lines(result, width()):
            print(line, flush=True)
    with Silence() if quiet or as_json else watcher(result.arms) as watch:
        result.finish(watch, live=True)
    if as_json:
        _print_json(result.plain())
    elif not quiet:
        print(*end_lines(result, width()), f"report: {escaped(str(result.page))}", sep="\n")
    result.check_stops()


@app.command(help=AuditQuestion.__doc__)
def audit(question: AuditQuestion = AuditQuestion(), *, quiet: Quiet = False, as_json: Json = False) -> None:  # noqa: B008
    from outcross.verbs.audit.answer import answered
    from outcross.verbs.audit.baseline import baseline_of, gated, worse_than
    from outcross.verbs.audit.notices import github
    from outcross.verbs.audit.progress import watcher
    from outcross.verbs.audit.screen import NO_REPORT, print_audits, print_plan
    from outcross.verbs.audit.work import gates_of, planned
    from outcross.verbs.silence import Silence

    if question.plan:
        plan = planned(question)
        _print_json(plan.plain()) if as_json else print_plan(plan)
        return
    before = baseline_of(question)
    workers = as_many_as_cores() if question.workers is None else question.workers
    watching = (lambda sets: Silence()) if as_json or quiet else watcher
    result = answered(replace(question, workers=workers), watching)
    if as_json:
        _print_json(result.plain())
    elif not quiet:
        print_audits(result, None if question.out is None else Path(question.out))
        if before is not None:
            print(escaped(worse_than(result, before)))
        if question.out is None:
            print(NO_REPORT)
    if question.github and not as_json:
        print(*github(result), sep="\n")
    gated(result, before).check_gates(gates_of(question))


@app.command(help=MixQuestion.__doc__)
def mix(question: MixQuestion, *, quiet: Quiet = False, as_json: Json = False) -> None:
    from outcross.verbs.mix.answer import for_command
    from outcross.verbs.mix.screen import mix_lines
    from outcross.verbs.terminal import width

    result = for_command(question)
    if as_json:
        _print_json(result.plain())
    elif not quiet:
        print(*mix_lines(result, width()), *_written(result.folder), sep="\n")


@app.command(help=DetectQuestion.__doc__)
def detect(question: DetectQuestion = DetectQuestion(), *, quiet: Quiet = False, as_json: Json = False) -> None:  # noqa: B008
    from contextlib import nullcontext

    from outcross.verbs.detect.answer import detected
    from outcross.verbs.detect.progress import fit_shown
    from outcross.verbs.detect.screen import detection_lines
    from outcross.verbs.terminal import width

    with nullcontext() if as_json or quiet else fit_shown():
        result = detected(question)
    if as_json:
        _print_json(result.plain())
    elif not quiet:
        print(*detection_lines(result, width()), *_written(result.folder), sep="\n")


@app.command(help=ForecastQuestion.__doc__)
def forecast(question: ForecastQuestion = ForecastQuestion(), *, quiet: Quiet = False, as_json: Json = False) -> None:  # noqa: B008
    from outcross.verbs.forecast.answer import forecasted
    from outcross.verbs.forecast.progress import watcher
    from outcross.verbs.terminal import width

    result = forecasted(question, watcher(as_json or quiet))
    if as_json:
        _print_json(result.plain())
    elif not quiet:
        print(*result.lines(width()), *([] if question.plan else _written(result.folder)), sep="\n")


@app.command(help=ReproduceQuestion.__doc__)
def reproduce(question: ReproduceQuestion = ReproduceQuestion(), *, quiet: Quiet = False, as_json: Json = False) -> None:  # noqa: B008
    from outcross.verbs.reproduce.answer import in_folder, reproduced, with_page
    from outcross.verbs.reproduce.progress import watcher
    from outcross.verbs.terminal import width

    question = in_folder(question)
    result = reproduced(question, watcher(as_json or quiet))
    page = with_page(result) if question.claims or question.all else None
    if as_json:
        _print_json(result.plain())
    elif not quiet:
        print(*result.lines(width()), *([f"report: {escaped(str(page))}"] if page else []), sep="\n")


@app.command(help=ReportQuestion.__doc__)
def report(question: ReportQuestion = ReportQuestion(), *, as_json: Json = False) -> None:  # noqa: B008
    from outcross.verbs.report import reported
    from outcross.verbs.terminal import width

    result = reported(question)
    _print_json(result.plain()) if as_json else print("\n".join(result.lines(width())))


@app.command(help=ShowQuestion.__doc__)
def show(question: ShowQuestion, *, as_json: Json = False) -> None:
    from outcross.verbs.show import print_shown, shown

    result = shown(question)
    _print_json(result.plain()) if as_json else print_shown(result, question.seeds)


@app.command(help=ExportQuestion.__doc__)
def export(question: ExportQuestion, *, as_json: Json = False) -> None:
    from outcross.verbs.export.answer import exported

    result = exported(question)
    _print_json(result.plain()) if as_json else print("\n".join(result.lines()))


@app.command(help=CardQuestion.__doc__)
def card(question: CardQuestion, *, as_json: Json = False) -> None:
    from outcross.verbs.card.answer import carded

    result = carded(question)
    _print_json(result.plain()) if as_json else print("\n".join(result.lines()))


@app.command(name="list", help=ListQuestion.__doc__)
def list_(question: ListQuestion = ListQuestion(), *, as_json: Json = False) -> None:  # noqa: B008
    from outcross.verbs.list import listed
    from outcross.verbs.terminal import width

    result = listed(question)
    _print_json(result.plain()) if as_json else print("\n".join(result.lines(width())))


def _written(folder: Path | None) -> list[str]:
    """The line that names the folder of a result, or no line if the result was not written."""
    return [] if folder is None else [f"written: {escaped(str(folder))}"]


def _print_json(data: Any) -> None:
    print(escaped_json(json.dumps(data, allow_nan=False, ensure_ascii=False)))


def main(arguments: list[str] | None = None) -> None:
    """Run the command line. An error prints one line on standard error and sets the exit code (design.md)."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file name may hold bytes that are not UTF-8
    try:
        _check_text(sys.argv[1:] if arguments is None else arguments)
        app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        if sys.stdout is not None:  # a shell may close it (>&-)
            sys.stdout.flush()
        code = 0
    except OutcrossError as error:
        code = _fail(str(error), error.exit_code)
    except CycloptsError as error:
        code = _fail(_wrong_use(" ".join(str(error).split()), sys.argv[1:] if arguments is None else arguments), 2)
    except SystemExit:
        raise
    except KeyboardInterrupt:
        code = _fail("interrupted; run the same command again to resume", 130)
    except BrokenPipeError:
        if sys.stdout is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except MemoryError:
        code = _fail("out of memory; finished steps are kept; make the experiment smaller or use fewer --workers", 3)
    except OSError as error:
        code = _fail(f"{error.filename or 'the machine'}: {error.strerror or first_words(error)}", 3)
    except BaseException as error:  # a panic in a Rust library is a BaseException, not an Exception
        if os.environ.get("OUTCROSS_DEBUG"):
            raise
        blame = (
            "the machine ran out of memory, open files, threads or disk space"
            if is_of_the_machine(error)
            else "this is a bug in outcross, please report it"
        )
        code = _fail(f"{blame}: {type(error).__name__}: {first_words(error, LONGEST)}", 3)
    sys.exit(code)


_MISSING = re.compile(r'Command "([a-z]+)" parameter (\S+) requires an argument\.')
_UNKNOWN = re.compile(r"Unknown option: --([\w.-]+?)\.(?: Did you mean --([\w-]+)\?)?")
_UNUSED = re.compile(r"Unused Tokens: \[(.*)\]\.")
ALIKE = 0.7
"""Minimum similarity of two words, from 0 to 1, at which one of them may be a misspelling of the other."""
KEYED = ("run", "show", "forecast")
"""Commands whose arguments may set keys of an experiment."""


def _wrong_use(message: str, arguments: Sequence[str]) -> str:
    """The parser's message about a wrong command line, completed with a way out.

    >>> _wrong_use('Command "run" parameter --spec requires an argument.', ["run"])
    'run needs --spec; `outcross run --help` describes it'
    >>> _wrong_use('Command "run" parameter --out requires an argument.', ["run", "gaussian", "--out"])
    '--out needs a value; `outcross run --help` describes it'
    >>> _wrong_use("Unknown option: --seed. Did you mean --spec?", ["run", "gaussian", "--seed", "3"])
    'there is no option --seed; write a key of the experiment without --, as seed=VALUE; `outcross run --help` lists the options'
    >>> _wrong_use("Unused Tokens: ['rows=9'].", ["mix", "mix.yaml", "rows=9"])
    "mix does not take 'rows=9'; `outcross mix --help` describes its arguments"
    """
    if missing := _MISSING.fullmatch(message):
        command, name = missing.groups()
        if any(argument.split("=")[0] == name for argument in arguments):
            return f"{name} needs a value; `outcross {command} --help` describes it"
        return f"{command} needs {name}; `outcross {command} --help` describes it"
    if (unknown := _UNKNOWN.fullmatch(message)) and arguments[0] in KEYED:
        if unknown[2] and SequenceMatcher(None, unknown[1], unknown[2]).ratio() >= ALIKE:
            return message
        return (
            f"there is no option --{unknown[1]}; write a key of the experiment without --, as {unknown[1]}=VALUE; "
            f"`outcross {arguments[0]} --help` lists the options"
        )
    if unused := _UNUSED.fullmatch(message):
        return f"{arguments[0]} does not take {unused[1]}; `outcross {arguments[0]} --help` describes its arguments"
    return message


def _check_text(arguments: list[str]) -> None:
    for place, argument in enumerate(arguments):
        if not argument or (
            argument.startswith("--") and argument.endswith("=")
        ):  # an unset shell variable leaves such an argument
            option = argument.rstrip("=") or (arguments[place - 1] if place and arguments[place - 1].startswith("-") else "")
            raise BadInput(f"{option or f'argument {place + 1}'} is empty; give a value, or leave it out")
        if "\0" in argument or (not argument.isascii() and any("\ud800" <= letter <= "\udfff" for letter in argument)):
            raise BadInput(f"{argument!r} is not UTF-8 text; rename the file, or set a UTF-8 locale")


def _fail(message: str, code: int) -> int:
    print("outcross: " + _one_line(message), file=sys.stderr)
    return code


LONGEST = 2000
"""Maximum length of an error message, in characters. A longer one loses its middle."""


def _one_line(message: str) -> str:
    """The message on one line. Line breaks, control characters and invisible characters are escaped."""
    message = message.strip()
    message = message if len(message) <= LONGEST else f"{message[: LONGEST // 2]} … {message[-LONGEST // 2 :]}"
    return escaped(message)
