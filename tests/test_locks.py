"""What holds a folder: another process, `kill -9`, a file system without locks, a link in the place of a lock."""

import errno
import fcntl
import multiprocessing
import os
import signal

import pytest

from outcross.errors import BadInput, MachineGaveOut
from outcross.ledger.locks import alone, lock


def hold(folder, messages):
    with alone(folder), lock(folder / "step"):
        messages.put("held")
        signal.pause()


def test_who_is_killed_holds_nothing(tmp_path):
    context = multiprocessing.get_context("fork")
    messages = context.Queue()
    process = context.Process(target=hold, args=(tmp_path, messages))
    process.start()
    assert messages.get(timeout=30) == "held"
    with pytest.raises(BadInput, match="another process is writing to"), alone(tmp_path):
        pass
    waited = []

    def kill():
        waited.append(True)
        process.kill()
        process.join()  # it let go of both locks, in whatever order, once it is gone

    with lock(tmp_path / "step", meanwhile=kill), alone(tmp_path):
        assert waited == [True]


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_not_taken_for_another_process(number, tmp_path, monkeypatch):
    def refused(file, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.raises(MachineGaveOut, match=f"could not be locked: {os.strerror(number)}; choose another --out"), alone(tmp_path):
        pass


def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path):
    (tmp_path / "step").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"), lock(tmp_path / "step"):
        pass
    assert not (tmp_path / "elsewhere").exists()
