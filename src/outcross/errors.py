"""Every way Outcross refuses, each with the exit code that the command line gives it."""


class OutcrossError(Exception):
    """A refusal in one line: the value, the rule, the way out."""

    exit_code = 2


class BadInput(OutcrossError, ValueError):
    """Wrong use or bad input: an unknown key, a share of 30, a file that is not text."""


class GateFailed(OutcrossError):
    """The work was done, and what it found is beyond the limit that the user set."""

    exit_code = 1


class MachineGaveOut(OutcrossError):
    """The disk, the memory or the network failed; what was finished is kept."""

    exit_code = 3


def missing_extra(package: str, extra: str) -> BadInput:
    """The refusal for a part whose library is not installed."""
    return BadInput(f"{package} is not installed; pip install 'outcross[{extra}]'")
