"""Outcross computes with one thread of each library, in the command and in Python, whatever the machine has."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import outcross
from outcross.models.gaussian import Gaussian
from outcross.recipe import recipe
from outcross.runtime.threads import VARIABLES, loaded_libraries, one_thread_each


def threads() -> set[int]:
    """The numbers of threads of the libraries that are loaded."""
    return {library["num_threads"] for library in threadpool_info()}


def test_every_library_that_is_loaded_gets_one_thread_and_its_own_number_back():
    np.linalg.svd(np.eye(3))
    with threadpool_limits(2):
        before = threads()
        assert before == {2}
        with one_thread_each():
            assert threads() == {1}
        assert threads() == before


def test_the_environment_is_restored_after_an_error(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with pytest.raises(ZeroDivisionError), one_thread_each(loaded_libraries()):
        assert {os.environ[name] for name in VARIABLES} == {"1"}
        raise ZeroDivisionError
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


SCRIPT = """
import numpy
import outcross
import polars
from threadpoolctl import threadpool_info


def most_threads():
    return max(library["num_threads"] for library in threadpool_info())


def length(texts):
    import scipy.linalg  # the BLAS of SciPy is a library of its own, which is loaded only now

    in_detect.append((len(threadpool_info()), most_threads()))
    return [float(len(text)) for text in texts]


rng, in_detect, words = numpy.random.default_rng(0), [], "alpha beta gamma delta river stone cloud green".split()
texts = polars.DataFrame({"text": [" ".join(rng.choice(words, int(rng.integers(60, 80 + n // 10)))) for n in range(300)]})
before, libraries = most_threads(), len(threadpool_info())
outcross.detect(texts[:100], human=texts[100:200], ai=texts[200:], detector=length)
after = next(library["num_threads"] for library in threadpool_info() if "numpy" in library["filepath"])
print(before, after, in_detect[-1][0] > libraries, {threads for _, threads in in_detect})
"""


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="a machine of one core has one thread anyway")
def test_a_library_that_is_loaded_within_a_verb_has_one_thread_too():
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, timeout=200)
    assert done.returncode == 0, done.stderr
    before, after, has_more, within = done.stdout.split()
    assert int(before) == int(after) > 1  # the user's own work has its threads again
    assert (has_more, within) == ("True", "{1}")


THREADS_OF_STEPS: list[set[int]] = []


@recipe
class CountsThreads(Gaussian):
    """A Gaussian learner that notes how many threads a fit has."""

    def fit(self, *arguments, **named):
        THREADS_OF_STEPS.append(threads())
        return super().fit(*arguments, **named)


def test_a_run_has_one_thread_within_a_generation_and_the_former_number_between_generations():
    settings = {"name": "threads", "human": {"distribution": "normal", "rows": 20}, "learner": CountsThreads(), "generations": 3}
    with threadpool_limits(2):
        for _ in outcross.run(settings):
            assert max(threads()) == 2
    assert len(THREADS_OF_STEPS) == 3
    assert set().union(*THREADS_OF_STEPS) == {1}
