"""Run a command and print what it took, as JSON: seconds, processor seconds, peak memory in MB.

This is a process of its own, and a small one. On Linux the peak memory of a child starts from that of the process that starts it (the high-water mark
survives exec), so that a large process would falsify the measurement.
"""

import json
import os
import sys
import time


def main() -> None:
    started = time.perf_counter()
    quiet = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
    child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[quiet])
    _, status, usage = os.wait4(child, 0)
    cost = {
        "seconds": time.perf_counter() - started,
        "cpu": usage.ru_utime + usage.ru_stime,
        "memory": usage.ru_maxrss * 1024 / 1e6,
    }
    print(json.dumps(cost))
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
