"""Questions to a server over HTTP, several at a time: asked again where it is busy, and refused in one line where it answers wrongly.

The server is not trusted: an answer is of a bounded size and comes within a bounded time, no redirect is followed, and the key is in no message.
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
"""Bytes of an answer, at most: 4 MiB."""
LONGEST_WAIT = 300.0
"""Seconds before the next try, at most; a server that asks for more is asked again by the next run."""
GRACE = 1.0
"""Seconds beyond those of a request, in which its own timeouts say what it waited for."""
SHORTEST_SECRET = 12
"""Characters of a key from which it is one; shorter ones (none, EMPTY) are words that local servers are given."""
BUSY = {408, 409, 425, 429, 500, 502, 503, 504, 529}
"""Answers after which a server is asked again."""


@dataclass(frozen=True)
class Patience:
    """How a server is asked: no part of what is asked. Each value can be set in the environment."""

    requests: int = 4
    """At a time (OUTCROSS_SERVER_REQUESTS)."""
    seconds: float = 120.0
    """Until a request counts as lost (OUTCROSS_SERVER_SECONDS)."""
    tries: int = 6
    """Of one request (OUTCROSS_SERVER_TRIES)."""
    wait: float = 1.0
    """Seconds before the second try, twice as many before each one after it (OUTCROSS_SERVER_WAIT)."""

    @classmethod
    def of_environment(cls) -> Patience:
        """BadInput where a value is no number that can be."""
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
    """The key in an environment variable; BadInput where it is not set, or cannot stand in a header."""
    if name is None:
        return None
    key = os.environ.get(name, "").strip()
    if not key:
        raise BadInput(
            f"the environment variable {name} is not set, which learner.api_key_env names; set it, or leave api_key_env out"
        )
    if not (key.isascii() and key.isprintable()):
        raise BadInput(f"the environment variable {name} holds no key: there are characters in it that no header takes")
    return key


@dataclass(frozen=True)
class ServerAnswer:
    """What a server wrote."""

    text: str
    finish: str
    """Why it stopped, in its own word: `length` where it was allowed no more tokens."""


class Busy(Exception):
    """What may be had by asking again, in so many seconds if the server says so."""

    def __init__(self, why: str, seconds: float | None = None):
        super().__init__(why)
        self.seconds = seconds


class Stopped(Exception):
    """Another request has failed, so that no more is asked."""


class ServerConnection(AbstractContextManager):
    """A server that speaks the protocol of OpenAI. Several threads may ask it."""

    def __init__(self, url: str, named: str, key: str | None, patience: Patience):
        self.url = url
        self.named = named
        """The name of the model that every answer must bear."""
        self.key = key
        self.secret = key if key is not None and len(key) >= SHORTEST_SECRET else None
        """What no answer that is kept and no message may hold."""
        self.patience = patience
        self.stopping = threading.Event()
        """Set where no more is to be asked."""
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        headers |= {} if key is None else {"Authorization": f"Bearer {key}"}
        limits = httpx.Limits(max_connections=patience.requests, max_keepalive_connections=patience.requests)
        try:
            httpx.URL(url)
            self.client = httpx.Client(headers=headers, timeout=patience.seconds, limits=limits, follow_redirects=False)
        except (httpx.InvalidURL, ValueError, ImportError) as error:  # the environment may name a proxy that is none
            raise BadInput(
                f"{url} cannot be asked: {self._shown(str(error))}; check learner.url, and HTTP_PROXY and its like"
            ) from None

    def __exit__(self, *error: object) -> None:
        self.client.close()

    def ask(self, path: str, body: dict[str, Any]) -> ServerAnswer:
        """The answer to one question. MachineGaveOut where the server stays busy or silent, BadInput where it refuses or answers wrongly."""
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.patience.tries), wait=self._wait, sleep=self._sleep,
            retry=tenacity.retry_if_exception_type(Busy), reraise=True,
        )  # fmt: skip
        try:
            return retrying(self._once, path, body)
        except Busy as error:
            raise MachineGaveOut(f"{self.url} gave out after {self.patience.tries} tries ({error})") from None

    def _wait(self, state: tenacity.RetryCallState) -> float:
        assert state.outcome is not None
        busy = state.outcome.exception()
        asked = busy.seconds if isinstance(busy, Busy) and busy.seconds is not None else 0.0
        if asked > LONGEST_WAIT:
            raise MachineGaveOut(f"{self.url} asks to be left alone for {asked:,.0f} seconds ({busy})")
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
        """What `work` gives, which is done in a thread of its own; Busy where it takes longer than a request may.

        The timeouts of a client are those of one read. A server that sends headers byte by byte, or interim answers without an end, would hold
        it for ever. Such a thread ends when the connections are closed.
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
            raise Busy(f"no whole answer within {self.patience.seconds:g} seconds") from None
        if failure is not None:
            raise failure
        return value  # type: ignore[return-value]

    def _read(self, response: httpx.Response) -> bytes:
        """The content of an answer, within its bounds."""
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise BadInput(f"{self.url} packs its answers, which it was asked not to do; let it send them as they are")
        ends = time.monotonic() + self.patience.seconds
        pieces, size = [], 0
        for piece in response.iter_raw():
            size += len(piece)
            if size > MOST_BYTES:
                raise BadInput(f"{self.url} answers with more than {MOST_BYTES >> 20} MiB; is it a server of a language model?")
            if time.monotonic() > ends:
                raise Busy(f"no whole answer within {self.patience.seconds:g} seconds")
            pieces.append(piece)
        return b"".join(pieces)

    def _answer(self, content: bytes) -> ServerAnswer:
        """What a whole answer says."""
        answer = _json(content)
        if not isinstance(answer, dict):
            raise BadInput(
                f"{self.url} answers with {self._shown(_text(content)) or 'nothing'!r}, which is no JSON object; is /v1 missing?"
            )
        if (model := answer.get("model")) != self.named:
            says = f"as the model {self._shown(model)!r}" if isinstance(model, str) else "without the name of its model"
            raise BadInput(
                f"{self.url} answers {says}, {self.named!r} was asked for; write learner.model or learner.answers_as as the server calls it"
            )
        choices = answer.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            raise BadInput(f"{self.url} answers without a choice, so that there is no text; is it an OpenAI-compatible server?")
        message = choice.get("message")
        text = message.get("content") if isinstance(message, dict) else choice.get("text")
        text = "" if text is None and isinstance(message, dict) else text  # a refusal has no content
        if not isinstance(text, str):
            raise BadInput(f"{self.url} answers without a text; write learner.endpoint: completions or chat, whichever it speaks")
        finish = choice.get("finish_reason")
        finish = finish[:40] if isinstance(finish, str) else ""
        if self.secret is not None and self.secret in f"{text} {finish}":
            raise BadInput(f"{self.url} repeats the key in its answer, which must not be kept; use a server that keeps secrets")
        return ServerAnswer(text.encode("utf-8", "replace").decode(), finish.encode("utf-8", "replace").decode())

    def _refusal(self, status: int, path: str, content: bytes, location: str) -> str:
        """What to say of an answer that is none."""
        said = self._said(content)
        sentence = f"{self.url}/{path} answers {status}{said and f': {said}'}"
        if 300 <= status < 400:
            return f"{sentence}, a redirect to {self._shown(location)!r}, which is not followed; write learner.url as it ends up"
        if status in (401, 403):
            return f"{sentence}; {'give a key: learner.api_key_env' if self.key is None else 'give another key'}"
        if status == 404:
            return f"{sentence}; check learner.url (it ends with /v1), learner.model and learner.endpoint"
        return f"{sentence}; change the setting that it names"

    def _said(self, content: bytes) -> str:
        """The words of an answer that is an error, without the key."""
        answer = _json(content)
        for name in ("error", "message", "detail"):
            if isinstance(answer, dict) and answer.get(name):
                answer = answer[name]
        return self._shown(answer if isinstance(answer, str) else _text(content))

    def _shown(self, text: str) -> str:
        """Words from outside on one line, not too long, without the key."""
        text = text if self.secret is None else text.replace(self.secret, "…")
        return escaped(" ".join(text.split())[:200])


def _json(content: bytes) -> Any:
    """The value of JSON; None where it is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _text(content: bytes) -> str:
    return content[:2000].decode("utf-8", "replace")


def _seconds(said: str) -> float | None:
    """The seconds of a Retry-After, which are a number or a date; None where it says neither."""
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", said.strip()):
        return float(said)
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def in_order(work: Callable[[int], T], n: int, server: ServerConnection, tell: Callable[[float], None]) -> list[T]:
    """`work(0)` … `work(n - 1)`, as many at a time as the server is asked, in this order whatever the order of the answers.

    The first failure ends the rest: what is under way is waited for, and nothing new is asked. Ctrl-C waits for nothing, because the threads
    are daemons; those of concurrent.futures would be waited for until their requests time out.
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
            try:  # polars lets waits go on after Ctrl-C, so that one without an end would never be left
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
