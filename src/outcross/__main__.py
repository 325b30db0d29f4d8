"""Where the command begins: from its first line on, Ctrl-C ends it with one line and code 130."""

import sys


def main() -> None:
    """The command `outcross`."""
    try:
        from outcross.supervisor import supervise
    except KeyboardInterrupt:
        sys.stderr.write("outcross: interrupted; run the same command again to go on\n")
        sys.exit(130)
    supervise(_work)


def _work() -> None:
    from outcross.cli import main

    main()


if __name__ == "__main__":
    main()
