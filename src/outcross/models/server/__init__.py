"""A model behind an OpenAI-compatible server: a teacher that writes and does not learn."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn
from urllib.parse import urlsplit

import numpy as np
from pydantic import AfterValidator, Field

from outcross import runtime
from outcross.data import Human
from outcross.data.records import Blocks
from outcross.errors import BadInput, MachineGaveOut
from outcross.estimate import NotApplicable
from outcross.files.journal import Journal
from outcross.models import Learner
from outcross.models.draw import Draw
from outcross.models.writing import prompts_of, written
from outcross.recipe import plain, recipe
from outcross.text.documents import TokenBlocks

if TYPE_CHECKING:
    from outcross.models.server.asking import ServerAnswer
    from outcross.text.vocabulary import Vocabulary

MOST_ANSWERS = 8
"""Answers that a record may be made of."""


def _base(url: str) -> str:
    """The address of a server; no message repeats one that may hold a secret."""
    rule = "must be http://HOST:PORT/v1 or https://…/v1"
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_address = False
    if not is_address or not url.isprintable() or " " in url:
        raise ValueError(f"url {rule}")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"url {rule}, without a user name and a password; name the variable that holds the key: api_key_env")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise ValueError(f"url {rule}, without ? and #; name the variable that holds the key: api_key_env")
    if parts.path.rstrip("/").endswith("/completions"):
        raise ValueError(f"url {rule}, without the endpoint behind it; write endpoint: completions or chat")
    return url.rstrip("/")


def _variable(name: str | None) -> str | None:
    """The name of an environment variable; the message does not repeat what may be the key itself."""
    if name is not None and not (name.isascii() and name.isidentifier() and name == name.upper() and len(name) <= 80):
        raise ValueError(
            "api_key_env must be the name of an environment variable in capitals, as OPENAI_API_KEY, and never the key"
        )
    return name


@recipe
class Server(Learner):
    """A model behind an OpenAI-compatible server, which writes and never learns: its fit is the identity.

    What each generation would have learned from is recorded, and nothing is trained. What it writes is what the server answered: a run
    promises the record and not the bytes. Its text is cut into the records of the run by a byte-level BPE that is learned from the human
    training text, as for the other learners of text.
    """

    paper = "OpenAI API reference, /v1/completions and /v1/chat/completions; a teacher's text as data: Kim & Rush, arXiv 1606.07947"
    libraries = ("numpy", "tokenizers")
    learns = ("text",)
    is_remote = True

    url: Annotated[str, AfterValidator(_base)]
    """The address before the endpoint: http://localhost:8000/v1."""
    model: Annotated[str, Field(min_length=1, max_length=300)]
    """The model's name, as the server knows it."""
    answers_as: Annotated[str, Field(min_length=1, max_length=300)] | None = None
    """The name that the server's answers bear, where it is another one; every other name is refused."""
    api_key_env: Annotated[str | None, AfterValidator(_variable)] = None
    """The environment variable that holds the key. The key itself is never written down."""
    endpoint: Literal["completions", "chat"] = "completions"
    """/v1/completions continues a prompt; /v1/chat/completions answers it, under an instruction."""
    instruction: str = "Continue this text. Write the continuation and nothing else."
    """What a chat is told to do with each prompt; completions have none."""
    max_tokens: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Tokens, of the server's own, that an answer may have; as many as a record has if left out."""
    takes_top_k: bool = False
    """Whether the server takes top_k, which is no part of the protocol. vLLM, llama.cpp and others do."""
    vocabulary: Annotated[int, Field(ge=257, le=1_000_000)] = 8192
    """Tokens by which its text is cut into records, the start token and the 256 bytes among them."""

    def form(self, block):
        return TokenBlocks(block=block, vocabulary=self.vocabulary)

    def check(self, draw):
        if draw.top_k and not self.takes_top_k:
            raise BadInput(
                "draw.top_k is no part of the protocol of OpenAI; write learner.takes_top_k: true where the server takes it, or draw.top_k: 0"
            )

    def begin(self, human: Human, training, rng):
        return ServerModel(self, human.vocabulary, human.training.records.tokens.shape[1])

    def fit(self, records, weights, start: Any, training, rng):
        """The model that was there before: nothing is trained."""
        return start

    def load(self, folder):
        from outcross.text.vocabulary import Vocabulary

        stored = json.loads((folder / "server.json").read_text(encoding="utf-8"))
        return ServerModel(self, Vocabulary.load(folder / "vocabulary.json"), stored["block"])


@dataclass(frozen=True, eq=False)
class AnsweredBlocks(Blocks):
    """Blocks with the answers of the server that they were cut from."""

    answers: tuple[dict[str, Any], ...] = ()
    """For each request: the record that it was for, its place among the requests for it, the text, and why the server stopped."""
    summary: dict[str, Any] | None = None
    """How many requests and records there were, and how much text was dropped."""

    def save(self, folder: Path) -> None:
        super().save(folder)
        lines = (json.dumps(answer, sort_keys=True, ensure_ascii=False) + "\n" for answer in self.answers)
        (folder / "answers.jsonl").write_text("".join(lines), encoding="utf-8")
        (folder / "answers.json").write_text(json.dumps(self.summary, sort_keys=True, indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True, eq=False)
class ServerModel:
    """A model behind a server, with the vocabulary that cuts its text into records."""

    learner: Server
    vocabulary: Vocabulary
    block: int
    """Tokens of a record."""
    is_remote = True

    def sample(self, draw, prompts: Blocks | None, rng: np.random.Generator) -> AnsweredBlocks:
        """Blocks of what the server wrote after the prompts, in their order and starting over where there are too few.

        A record is the first answer's text, and that of further ones where it is too short: after an answer that was cut off by its length
        the server goes on from there, after one that had ended it is asked the same again, and a line break stands between the two. What is
        left of the last answer is dropped and counted. Each answer is kept as it comes, so that a run that is stopped asks for no answer twice.
        """
        from outcross.models.server import asking

        read = prompts_of(draw, prompts)
        opens = [""] * draw.records if read is None else [text.strip("\ufffd") for text in self.vocabulary.decode(read)]
        seeds = rng.integers(2**31 - MOST_ANSWERS, size=draw.records).tolist()
        key, patience = asking.key_of(self.learner.api_key_env), asking.Patience.of_environment()
        place = runtime.working.get()
        journal = Journal(None if place is None else place / "answers.jsonl")
        kept = {(entry["record"], entry["place"], entry["question"]): entry for entry in journal.entries}
        with asking.ServerConnection(self.learner.url, self.learner.answers_as or self.learner.model, key, patience) as server:

            def answer(record: int) -> Answered:
                answers: list[ServerAnswer] = []
                while len(tokens := self._tokens(answers)) < self.block - draw.prefix:
                    if len(answers) == MOST_ANSWERS:
                        raise BadInput(
                            f"{self.learner.url} wrote {len(tokens)} tokens for record {record} in {MOST_ANSWERS} answers, "
                            f"a record has {self.block - draw.prefix}; use shorter blocks, other prompts or another model"
                        )
                    path, body = self._question(draw, opens[record], answers, seeds[record])
                    question = sha256(json.dumps([path, body], sort_keys=True).encode()).hexdigest()
                    entry = kept.get((record, len(answers), question))
                    if entry is None:
                        came = server.ask(path, body)
                        entry = {"record": record, "place": len(answers), "question": question} | asdict(came)
                        journal.append(entry)
                    answers.append(asking.ServerAnswer(entry["text"], entry["finish"]))
                return Answered(tuple(answers), tokens)

            try:
                answered = asking.in_order(answer, draw.records, server, runtime.telling.get())
            except (MachineGaveOut, BadInput) as error:
                raise type(error)(f"{error}; {_kept(journal)}") from None
        tokens = np.stack([reply.tokens[: self.block - draw.prefix] for reply in answered])
        listed = tuple(
            {"record": record, "place": place} | asdict(answer)
            for record, reply in enumerate(answered)
            for place, answer in enumerate(reply.answers)
        )
        answered_blocks = written(tokens, read, draw, prompts, self.vocabulary)
        return AnsweredBlocks(answered_blocks.frame, answers=listed, summary=_summary(answered, self.block - draw.prefix))

    def _tokens(self, answers: Sequence[ServerAnswer]) -> np.ndarray:
        """What the answers for a record say together, in our tokens."""
        (tokens,) = self.vocabulary.encode([self._joined(answers)])
        return tokens

    def _joined(self, answers: Sequence[ServerAnswer]) -> str:
        """The answers for a record as one text."""
        text, goes_on = "", True
        for answer in answers:
            text += answer.text if goes_on or not text else f"\n{answer.text}"
            goes_on = self._goes_on(answer)
        return text

    def _goes_on(self, answer: ServerAnswer) -> bool:
        """Whether the server must continue an answer: the answer was cut off by its length, and the endpoint continues texts."""
        return answer.finish == "length" and self.learner.endpoint == "completions"

    def _question(self, draw: Draw, opens: str, answers: Sequence[ServerAnswer], seed: int) -> tuple[str, dict[str, Any]]:
        """The endpoint and the body of the next request for a record."""
        learner = self.learner
        body: dict[str, Any] = {
            "model": learner.model,
            "max_tokens": learner.max_tokens or self.block - draw.prefix,
            "temperature": draw.temperature,
            "top_p": draw.top_p,
            "seed": seed + len(answers),
            "n": 1,
            "stream": False,
        }
        if draw.top_k:
            body["top_k"] = draw.top_k
        if learner.endpoint == "completions":
            goes_on = bool(answers) and self._goes_on(answers[-1])
            return "completions", body | {"prompt": opens + (self._joined(answers) if goes_on else "")}
        instructed = [{"role": "system", "content": learner.instruction}, {"role": "user", "content": opens}]
        messages = instructed if opens else [{"role": "user", "content": learner.instruction}]
        return "chat/completions", body | {"messages": messages}

    def log_prob(self, records: Blocks) -> NoReturn:
        """NotApplicable: a server does not say how probable it holds a text to be."""
        raise NotApplicable("needs the probability of a text, which a model behind a server does not tell")

    def save(self, folder: Path) -> None:
        self.vocabulary.save(folder / "vocabulary.json")
        description = {"learner": plain(self.learner), "block": self.block}
        (folder / "server.json").write_text(json.dumps(description, sort_keys=True, indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Answered:
    """The answers for one record."""

    answers: tuple[ServerAnswer, ...]
    tokens: np.ndarray
    """All that they say, in our tokens, (tokens,); a record is the first of them."""


def _summary(answered: Sequence[Answered], size: int) -> dict[str, Any]:
    """How many requests and records there were, and how much of the text that came was dropped."""
    came, answers = sum(len(record.tokens) for record in answered), [answer for record in answered for answer in record.answers]
    dropped = came - size * len(answered)
    return {
        "records": len(answered),
        "requests": len(answers),
        "records_of_several_answers": sum(len(record.answers) > 1 for record in answered),
        "empty_answers": sum(not answer.text.strip() for answer in answers),
        "finish": dict(sorted(Counter(answer.finish for answer in answers).items())),
        "tokens": came,
        "dropped_tokens": dropped,
        "dropped_share": round(dropped / came, 6) if came else 0.0,
    }


def _kept(journal: Journal) -> str:
    """What becomes of the answers so far."""
    if journal.path is None:
        return "the run is in memory, so that no answer is kept; pass out="
    return f"{len(journal.entries):,} answers are kept, run the same command again to go on"
