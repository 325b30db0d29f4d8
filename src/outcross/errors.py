"""The exceptions of Outcross, each with its exit code on the command line."""

import difflib
import errno
import re
from collections.abc import Iterable
from typing import Any


class OutcrossError(Exception):
    """An error whose message is one line: the value, the rule and the way out."""

    exit_code = 2


class BadInput(OutcrossError, ValueError):
    """Wrong use or bad input: an unknown key, a share of 30, a file that is not text."""


def check_word(value: Any, allowed: Iterable[Any], what: str) -> None:
    """Raise BadInput, with the allowed words and the nearest one, if a value is not allowed. None may be among the allowed values."""
    allowed = tuple(allowed)
    if value in allowed if isinstance(value, str) else any(value is word for word in allowed):
        return
    close = difflib.get_close_matches(str(value), [word for word in allowed if word is not None], n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise BadInput(f"{what} must be one of {', '.join(map(str, allowed))}, got {value!r:.80}{hint}")


class GateFailed(OutcrossError):
    """The work is done, but a result exceeds a limit that the user set."""

    exit_code = 1


class PromiseBroken(OutcrossError, AssertionError):
    """A part breaks a promise that every member of its family must keep."""


class MachineGaveOut(OutcrossError):
    """The disk, the memory or the network failed. Finished steps are kept."""

    exit_code = 3


def missing_extra(package: str, extra: str) -> BadInput:
    """The error for a part whose library is not installed."""
    return BadInput(f"{package} is not installed; pip install 'outcross[{extra}]'")


_MACHINE = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG}
_SAID_OF_THE_MACHINE = re.compile(
    r"too many open files|cannot allocate memory|out of memory|memory allocation|resource temporarily unavailable|no space left"
    r"|start new thread|failed to map segment|failed to spawn|code: (?:11|12|23|24|28)\b|os error (?:11|12|23|24|28)\b",
    re.IGNORECASE,
)


def is_of_the_machine(error: BaseException) -> bool:
    """Whether an error of a library means that memory, open files, threads or disk space ran out, rather than that its input is bad.

    >>> is_of_the_machine(OSError(24, "Too many open files")), is_of_the_machine(ValueError("an odd byte"))
    (True, False)
    """
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _MACHINE):
        return True
    return _SAID_OF_THE_MACHINE.search(str(error)) is not None


def first_words(error: BaseException, characters: int = 160) -> str:
    """The message of an error on one line, cut to a number of characters. Of NumPy's page of advice, only the original error is kept.

    >>> first_words(ImportError("Please read this.\\n\\nOriginal error was: failed to map segment"))
    'failed to map segment'
    """
    return " ".join(str(error).rpartition("Original error was: ")[2].split())[:characters] or type(error).__name__
