"""A process that builds the same mix again and again, each time killed at another moment, and says what was left and what came of it.

    python killed_mixes.py FOLDER MOMENTS

It forks, before polars has begun a thread, once for every mix. A moment is a change of the file system: the child counts them and kills
itself with SIGKILL at the one that it was told.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import sys
from os import _exit as end_at_once
from pathlib import Path

import polars  # noqa: F401  (so that no child has to import it)

from outcross.ledger import root_of, work
from outcross.ledger.reach import source_digest
from outcross.verbs.mix import rows
from outcross.verbs.mix.answer import mix
from outcross.verbs.mix.asked import read_asked
from outcross.verbs.mix.work import mix as step

CHANGES = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree"}
rows.MEMORY = 20_000  # so that rows wait in files, too


def asked(folder: Path) -> dict:
    pools = [
        {"name": "human", "path": str(folder / "human.jsonl"), "origin": "human"},
        {"name": "gpt", "path": str(folder / "gpt.jsonl"), "origin": {"model": "gpt-x"}},
    ]
    return {"pools": pools, "rows": 600, "human_share": 0.3, "shards": 2, "match": "rows", "max_repeats": 3}


def changes(event: str, arguments: tuple) -> bool:
    if event == "open":
        return isinstance(arguments[2], int) and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
    return event in CHANGES


def build(folder: Path, out: Path, moment: int) -> tuple[bool, int]:
    """Whether a mix was built by a process that is killed at its change of this number, and how many changes it made; 0: it is not killed."""
    receive, send = os.pipe()
    if (child := os.fork()) == 0:
        count = 0

        def hook(event: str, arguments: tuple) -> None:
            nonlocal count
            if changes(event, arguments):
                count += 1
                if count == moment:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        mix(asked(folder), out=out)
        os.write(send, str(count).encode())
        end_at_once(0)  # nothing is left to be written, and Python would clear a memory of its own for every mix
    os.close(send)
    _, status = os.waitpid(child, 0)
    with os.fdopen(receive) as counted:
        return status == 0, int(counted.read() or 0)


def left(out: Path) -> dict[str, str]:
    """The files that a reader sees, each with its digest; not those of the hidden folder."""
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and ".outcross" not in path.parts
    }


def main() -> None:
    folder, moments = Path(sys.argv[1]), int(sys.argv[2])
    for name, count in (("human", 200), ("gpt", 900)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps({"text": f"{name} {i}"}) + "\n" for i in range(count)))
    source_digest((root_of(step.do), root_of(work)), read_asked(asked(folder))[0].identity)  # once, and not in every child
    _, count = build(folder, folder / "whole", 0)
    settings = {"changes": count, "whole": left(folder / "whole"), "killed": []}
    out, chosen = folder / "out", random.Random(0)
    for number in range(moments):  # a random moment of each of as many equal stretches
        moment = chosen.randrange(1 + number * count // moments, 1 + (number + 1) * count // moments)
        settings["killed"].append([(*build(folder, out, at), left(out)) for at in (moment, max(1, moment // 2), 0)])
        shutil.rmtree(out, ignore_errors=True)
    sys.stdout.write(json.dumps(settings))


if __name__ == "__main__":
    main()
