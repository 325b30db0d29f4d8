"""Requests to a server over HTTP, several at a time. A busy server is asked again, and an invalid answer is an error of one line.

The server is not trusted. Answers have a maximum size and a maximum time, no redirect is followed, and no message contains the key.
"""

from __future__ import annotations

import json
import os
import queue
import re
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from outcross.errors import BadInput, MachineGaveOut, missing_extra
from outcross.escapes import escaped

try:
    import httpx
    import tenacity
except ImportError as error:
    raise missing_extra(error.name or "httpx", "server") from None

T = TypeVar("T")

MOST_BYTES = 4 << 20
"""Maximum size of an answer in bytes: 4 MiB."""
LONGEST_WAIT = 300.0
"""Maximum number of seconds before the next try. If the server requests a longer wait, the run ends."""
GRACE = 1.0
"""Additional seconds after the time limit of a request, in which the client's own timeouts can report their cause."""
SHORTEST_SECRET = 12
"""Minimum number of characters of a secret key. Shorter values (none, EMPTY) are placeholders for local servers."""
BUSY = {408, 409, 425, 429, 500, 502, 503, 504, 529}
"""HTTP status codes after which a request is repeated."""


@dataclass(frozen=True)
class Patience:
    """Timing and number of requests, which do not change their content. Each value can be set in the environment."""

    requests: int = 4
    """Number of simultaneous requests (OUTCROSS_SERVER_REQUESTS)."""
    seconds: float = 120.0
    """Seconds until a request counts as lost (OUTCROSS_SERVER_SECONDS)."""
    tries: int = 6
    """Maximum number of tries of a request (OUTCROSS_SERVER_TRIES)."""
    wait: float = 1.0
    """Seconds before the second try; the wait doubles before each further try (OUTCROSS_SERVER_WAIT)."""

    @classmethod
    def of_environment(cls) -> Patience:
        """Return the values of the environment. Raises BadInput if a value is not a number in its range."""
        return cls(
            requests=int(_setting("REQUESTS", cls.requests, 1, 256, whole=True)),
            seconds=_setting("SECONDS", cls.seconds, 0.01, 86_400),
            tries=int(_setting("TRIES", cls.tries, 1, 100, whole=True)),
            wait=_setting("WAIT", cls.wait, 0, LONGEST_WAIT),
        )


def _setting(name: str, default: float, minimum: float, maximum: float, whole: bool = False) -> float:
    name = f"OUTCROSS_SERVER_{name}"
    said = os.environ.get(name, "").strip() or str(default)
    if not re.fullmatch(r"\d+" if whole else r"\d+(\.\d*)?", said) or not minimum <= float(said) <= maximum:
        raise BadInput(f"{name} must be a {'whole ' if whole else ''}number from {minimum:g} to {maximum:g}, got {said[:40]!r}")
    return float(said)


def key_of(name: str | None) -> str | None:
    """Return the key in an environment variable. Raises BadInput if the variable is not set, or if its value is not valid in a header."""
    if name is None:
        return None
    key = os.environ.get(name, "").strip()
    if not key:
        raise BadInput(
            f"the environment variable {name}, which learner.api_key_env names, is not set; set it, or leave api_key_env out"
        )
    if not (key.isascii() and key.isprintable()):
        raise BadInput(f"the environment variable {name} holds characters that are not valid in a header; set it to the key")
    return key


@dataclass(frozen=True)
class ServerAnswer:
    """An answer of a server."""

    text: str
    finish: str
    """The server's reason for stopping; `length` if the maximum number of tokens was reached."""


class Busy(Exception):
    """A failure after which the request can be repeated, after `seconds` seconds if the server says so."""

    def __init__(self, why: str, seconds: float | None = None):
        super().__init__(why)
        self.seconds = seconds


class Stopped(Exception):
    """Raised when another request has failed, so no more requests are sent."""


class ServerConnection(AbstractContextManager):
    """A connection to a server with the OpenAI protocol. Several threads may use it."""

    def __init__(self, url: str, named: str, key: str | None, patience: Patience):
        self.url = url
        self.named = named
        """The model name that every answer must have."""
        self.key = key
        self.secret = key if key is not None and len(key) >= SHORTEST_SECRET else None
        """The key, which no stored answer and no message may contain."""
        self.patience = patience
        self.stopping = threading.Event()
        """Set when no more requests are to be sent."""
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        headers |= {} if key is None else {"Authorization": f"Bearer {key}"}
        limits = httpx.Limits(max_connections=patience.requests, max_keepalive_connections=patience.requests)
        try:
            httpx.URL(url)
            self.client = httpx.Client(headers=headers, timeout=patience.seconds, limits=limits, follow_redirects=False)
        except (httpx.InvalidURL, ValueError, ImportError) as error:  # The environment may name an invalid proxy.
            raise BadInput(
                f"{url} cannot be reached: {self._shown(str(error))}; check learner.url, HTTP_PROXY and similar variables"
            ) from None

    def __exit__(self, *error: object) -> None:
        self.client.close()

    def ask(self, path: str, body: dict[str, Any]) -> ServerAnswer:
        """Return the answer to one request.

        Raises MachineGaveOut if the server stays busy or silent, and BadInput if it refuses or if its answer is invalid.
        """
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.patience.tries), wait=self._wait, sleep=self._sleep,
            retry=tenacity.retry_if_exception_type(Busy), reraise=True,
        )  # fmt: skip
        try:
            return retrying(self._once, path, body)
        except Busy as error:
            raise MachineGaveOut(f"{self.url} failed in {self.patience.tries} tries ({error})") from None

    def _wait(self, state: tenacity.RetryCallState) -> float:
        assert state.outcome is not None
        busy = state.outcome.exception()
        asked = busy.seconds if isinstance(busy, Busy) and busy.seconds is not None else 0.0
        if asked > LONGEST_WAIT:
            raise MachineGaveOut(f"{self.url} requests a wait of {asked:,.0f} seconds ({busy})")
        return max(asked, min(LONGEST_WAIT, self.patience.wait * 2 ** (state.attempt_number - 1)))

    def _sleep(self, seconds: float) -> None:
        if self.stopping.wait(seconds):
            raise Stopped

    def _once(self, path: str, body: dict[str, Any]) -> ServerAnswer:
        if self.stopping.is_set():
            raise Stopped
        try:
            response, content = self._in_time(lambda: self._exchange(path, body))
        except httpx.TimeoutException:
            raise Busy(f"no answer within {self.patience.seconds:g} seconds") from None
        except httpx.TransportError as error:
            raise Busy(self._shown(str(error)) or type(error).__name__) from None
        status = response.status_code
        if status in BUSY:
            said = self._said(content)
            raise Busy(f"{status}{said and f': {said}'}", _seconds(response.headers.get("retry-after", "")))
        if status != 200:
            raise BadInput(self._refusal(status, path, content, response.headers.get("location", "")))
        return self._answer(content)

    def _exchange(self, path: str, body: dict[str, Any]) -> tuple[httpx.Response, bytes]:
        with self.client.stream("POST", f"{self.url}/{path}", json=body) as response:
            return response, self._read(response)

    def _in_time(self, work: Callable[[], T]) -> T:
        """Run `work` in a separate thread and return its result. Raises Busy if it takes longer than the time limit of a request.

        The timeouts of the client apply to single reads. Without this limit, a server that sends headers byte by byte, or endless interim
        answers, could block the client for ever. A blocked thread ends when the connections are closed.
        """
        ended: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

        def go() -> None:
            try:
                ended.put((work(), None))
            except BaseException as error:
                ended.put((None, error))

        threading.Thread(target=go, daemon=True).start()
        try:
            value, failure = ended.get(timeout=self.patience.seconds + GRACE)
        except queue.Empty:
            raise Busy(f"no complete answer within {self.patience.seconds:g} seconds") from None
        if failure is not None:
            raise failure
        return value  # type: ignore[return-value]

    def _read(self, response: httpx.Response) -> bytes:
        """Return the content of an answer, within the limits of size and time."""
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise BadInput(f"{self.url} compresses its answers although the request forbids it; turn compression off on the server")
        ends = time.monotonic() + self.patience.seconds
        pieces, size = [], 0
        for piece in response.iter_raw():
            size += len(piece)
            if size > MOST_BYTES:
                raise BadInput(
                    f"{self.url} answers with more than {MOST_BYTES >> 20} MiB; check that it is a server of a language model"
                )
            if time.monotonic() > ends:
                raise Busy(f"no complete answer within {self.patience.seconds:g} seconds")
            pieces.append(piece)
        return b"".join(pieces)

    def _answer(self, content: bytes) -> ServerAnswer:
        """Return the text of a complete answer. Raises BadInput if the answer is invalid."""
        answer = _json(content)
        if not isinstance(answer, dict):
            raise BadInput(
                f"{self.url} answers with {self._shown(_text(content)) or 'nothing'!r}, which is not a JSON object; check that learner.url ends with /v1"
            )
        if (model := answer.get("model")) != self.named:
            says = f"as the model {self._shown(model)!r}" if isinstance(model, str) else "without the name of its model"
            raise BadInput(
                f"{self.url} answers {says}, but {self.named!r} was requested; set learner.model or learner.answers_as to the server's name of the model"
            )
        choices = answer.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            raise BadInput(
                f"{self.url} answers without a choice, so there is no text; check that it is an OpenAI-compatible server"
            )
        message = choice.get("message")
        text = message.get("content") if isinstance(message, dict) else choice.get("text")
        text = "" if text is None and isinstance(message, dict) else text  # A refusal has no content.
        if not isinstance(text, str):
            raise BadInput(
                f"{self.url} answers without a text; write learner.endpoint: completions or chat, whichever the server supports"
            )
        finish = choice.get("finish_reason")
        finish = finish[:40] if isinstance(finish, str) else ""
        if self.secret is not None and self.secret in f"{text} {finish}":
            raise BadInput(
                f"{self.url} repeats the key in its answer, so the answer is not stored; use a server that keeps the key secret"
            )
        return ServerAnswer(text.encode("utf-8", "replace").decode(), finish.encode("utf-8", "replace").decode())

    def _refusal(self, status: int, path: str, content: bytes, location: str) -> str:
        """Return the error message for an answer with an error status."""
        said = self._said(content)
        sentence = f"{self.url}/{path} answers {status}{said and f': {said}'}"
        if 300 <= status < 400:
            return (
                f"{sentence}, a redirect to {self._shown(location)!r}, which is not followed; set learner.url to the final address"
            )
        if status in (401, 403):
            return f"{sentence}; {'give a key: learner.api_key_env' if self.key is None else 'give another key'}"
        if status == 404:
            return f"{sentence}; check learner.url (it ends with /v1), learner.model and learner.endpoint"
        return f"{sentence}; change the setting that it names"

    def _said(self, content: bytes) -> str:
        """Return the server's error message, without the key."""
        answer = _json(content)
        for name in ("error", "message", "detail"):
            if isinstance(answer, dict) and answer.get(name):
                answer = answer[name]
        return self._shown(answer if isinstance(answer, str) else _text(content))

    def _shown(self, text: str) -> str:
        """Return external text on one line, shortened and without the key."""
        text = text if self.secret is None else text.replace(self.secret, "…")
        return escaped(" ".join(text.split())[:200])


def _json(content: bytes) -> Any:
    """Return the value of a JSON text; None if it is not JSON."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _text(content: bytes) -> str:
    return content[:2000].decode("utf-8", "replace")


def _seconds(said: str) -> float | None:
    """Return the seconds of a Retry-After header, which is a number or a date; None if it is neither."""
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", said.strip()):
        return float(said)
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def in_order(work: Callable[[int], T], n: int, server: ServerConnection, tell: Callable[[float], None]) -> list[T]:
    """Return `work(0)` … `work(n - 1)` in this order, with as many simultaneous calls as the server allows.

    After the first failure no new call starts, and the running calls are completed. Ctrl-C waits for nothing, because the threads
    are daemons. The threads of concurrent.futures would have to wait until their requests time out.
    """
    numbers, lock = iter(range(n)), threading.Lock()
    ended: queue.SimpleQueue[tuple[int, T | None, Exception | None]] = queue.SimpleQueue()

    def go_through() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            try:
                ended.put((number, work(number), None))
            except Exception as error:
                ended.put((number, None, error))
                return

    threads = [threading.Thread(target=go_through, daemon=True) for _ in range(min(n, server.patience.requests))]
    for thread in threads:
        thread.start()
    done: dict[int, T] = {}
    try:
        while len(done) < n:
            try:  # polars lets waits continue after Ctrl-C, so an endless wait could not be interrupted.
                number, value, failure = ended.get(timeout=0.2)
            except queue.Empty:
                continue
            if failure is not None:
                raise failure
            done[number] = value  # type: ignore[assignment]
            tell(len(done) / n)
    except Exception:
        server.stopping.set()
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.02)
        raise
    except BaseException:
        server.stopping.set()
        raise
    return [done[number] for number in range(n)]
