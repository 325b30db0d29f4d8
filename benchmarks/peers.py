"""The environment of the question `transformer`: benchmarks/.venv, which sees the packages of the project and adds transformers."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from figures import HERE

TRANSFORMERS = "transformers==5.23.0"


def python() -> Path:
    """The interpreter that can import both outcross and transformers, set up at the first call.

    RuntimeError with the reason where it cannot be had.
    """
    place = HERE / ".venv"
    interpreter = place / "bin" / "python"
    if not _has_transformers(interpreter):
        print(f"setting up {place} ({TRANSFORMERS}); a minute", flush=True)
        venv.create(place, with_pip=True, symlinks=True)
        packages = next((place / "lib").glob("python*")) / "site-packages"
        (packages / "project.pth").write_text(
            f"import site; site.addsitedir({sysconfig.get_paths()['purelib']!r})\n", encoding="utf-8"
        )
        constraints = HERE.parent / "constraints.txt"
        installing = [interpreter, "-m", "pip", "install", "-q", "--disable-pip-version-check", TRANSFORMERS, "-c", constraints]
        _call(installing)
        if not _has_transformers(interpreter):
            raise RuntimeError(f"{TRANSFORMERS} was installed in {place} but cannot be imported; remove that folder and try again")
    return interpreter


def _has_transformers(interpreter: Path) -> bool:
    asked = "import importlib.util as u, sys; sys.exit(not (u.find_spec('transformers') and u.find_spec('outcross')))"
    return interpreter.exists() and subprocess.run([interpreter, "-c", asked], check=False).returncode == 0


def _call(command: list[object]) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise RuntimeError(f"{TRANSFORMERS} cannot be installed ({last[0]}); a package index is needed once")


if __name__ == "__main__":
    sys.exit(print(python()))
