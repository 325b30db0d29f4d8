"""The entry point of the command. From its first line on, Ctrl-C ends it with one line and exit code 130."""

import sys


def main() -> None:
    """Run the command `outcross`."""
    try:
        from outcross.supervisor import supervise
    except KeyboardInterrupt:
        sys.stderr.write("outcross: interrupted; run the same command again to resume\n")
        sys.exit(130)
    supervise(_work)


def _work() -> None:
    from outcross.cli import main

    main()


if __name__ == "__main__":
    main()
