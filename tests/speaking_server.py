"""A server of our own that speaks the protocol of OpenAI over HTTP, and misbehaves as a test tells it to."""

import json
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORDS = [
    "the",
    "old",
    "tower",
    "of",
    "the",
    "church",
    "stood",
    "above",
    "a",
    "village",
    "by",
    "the",
    "river",
    "and",
    "its",
    "bells",
    "rang",
    "over",
    "the",
    "fields",
    "at",
    "noon",
]
NAME = "teacher-1"


def continuation(body: dict, words: int = 60) -> str:
    """What the server writes: words that follow from the request alone."""
    first = hash_of(json.dumps(body, sort_keys=True))
    return " " + " ".join(WORDS[(first + 7 * i + i * i) % len(WORDS)] for i in range(words))


def hash_of(text: str) -> int:
    return sum(i * ord(letter) for i, letter in enumerate(text, 1)) % 10_007


class Speaking:
    """The server: what it was asked, and how it answers. `fault(number, body)` returns None for an honest answer, or does what it likes
    with the handler and returns True."""

    def __init__(self):
        self.bodies: list[dict] = []
        """Every request that came, in order."""
        self.paths: list[str] = []
        self.headers: list[dict] = []
        self.answered: Counter = Counter()
        """How often each question was answered in full."""
        self.fault = lambda number, body, handler: None
        self.name = NAME
        self.text = continuation
        self.finish = "length"
        self.lock = threading.Lock()
        self.url = ""
        self.most_at_once = self.at_once = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def speaking(self) -> Speaking:
        return self.server.speaking  # type: ignore[attr-defined]

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        speaking = self.speaking
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with speaking.lock:
            speaking.bodies.append(body)
            speaking.paths.append(self.path)
            speaking.headers.append(dict(self.headers))
            number = len(speaking.bodies) - 1
            speaking.at_once += 1
            speaking.most_at_once = max(speaking.most_at_once, speaking.at_once)
        try:
            if not speaking.fault(number, body, self):
                self.answer(self.choice(body))
                with speaking.lock:
                    speaking.answered[json.dumps(body, sort_keys=True)] += 1
        finally:
            with speaking.lock:
                speaking.at_once -= 1

    def choice(self, body: dict) -> dict:
        text, finish = self.speaking.text(body), self.speaking.finish
        if self.path.endswith("/chat/completions"):
            return {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
        return {"index": 0, "text": text, "finish_reason": finish}

    def answer(self, choice: dict):
        settings = {"id": "x", "object": "text_completion", "created": 0, "model": self.speaking.name, "choices": [choice]}
        self.send(200, json.dumps(settings))

    def send(self, status: int, content: str | bytes, **headers: str):
        content = content.encode() if isinstance(content, str) else content
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def hang_up(self):
        """End the connection without an answer."""
        self.close_connection = True
        self.connection.close()


@contextmanager
def speaking_server(port: int = 0):
    """A server on this machine until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.speaking = speaking = Speaking()  # type: ignore[attr-defined]
    speaking.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield speaking
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
