"""A model behind an OpenAI-compatible server, which is a teacher that writes and does not learn."""

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
"""Maximum number of answers that are joined into one record."""


def _base(url: str) -> str:
    """Check the address of a server. Error messages do not repeat the address, because it may contain a secret."""
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
        raise ValueError(f"url {rule}, without the endpoint; write endpoint: completions or chat")
    return url.rstrip("/")


def _variable(name: str | None) -> str | None:
    """Check the name of an environment variable. The error message does not repeat the value, because it may be the key itself."""
    if name is not None and not (name.isascii() and name.isidentifier() and name == name.upper() and len(name) <= 80):
        raise ValueError(
            "api_key_env must be the name of an environment variable in capitals, such as OPENAI_API_KEY, and never the key itself"
        )
    return name


@recipe
class Server(Learner):
    """A model behind an OpenAI-compatible server, which writes but never learns. A fit returns the same model.

    The training set of each generation is recorded, but nothing is trained. The server's answers are stored, but a repeated run may receive
    other answers. A byte-level BPE that is learned from the human training text cuts the answers into records, as for the other learners of
    text.
    """

    paper = "OpenAI API reference, /v1/completions and /v1/chat/completions; a teacher's text as data: Kim & Rush, arXiv 1606.07947"
    libraries = ("numpy", "tokenizers")
    learns = ("text",)
    is_remote = True

    url: Annotated[str, AfterValidator(_base)]
    """The address without the endpoint, for example http://localhost:8000/v1."""
    model: Annotated[str, Field(min_length=1, max_length=300)]
    """The name of the model on the server."""
    answers_as: Annotated[str, Field(min_length=1, max_length=300)] | None = None
    """The model name in the server's answers, if it differs from `model`. Answers with any other name are refused."""
    api_key_env: Annotated[str | None, AfterValidator(_variable)] = None
    """The environment variable that holds the key. The key itself is never stored."""
    endpoint: Literal["completions", "chat"] = "completions"
    """`completions` continues a prompt by /v1/completions. `chat` answers a prompt under an instruction by /v1/chat/completions."""
    instruction: str = "Continue this text. Write the continuation and nothing else."
    """The instruction of a chat for each prompt; `completions` has no instruction."""
    max_tokens: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Maximum length of an answer in tokens of the server; the number of tokens in a record if left out."""
    takes_top_k: bool = False
    """Whether the server supports top_k, which is not part of the protocol. vLLM, llama.cpp and others support it."""
    vocabulary: Annotated[int, Field(ge=257, le=1_000_000)] = 8192
    """Size of the vocabulary that cuts the text into records, including the start token and the 256 bytes."""

    def form(self, block):
        return TokenBlocks(block=block, vocabulary=self.vocabulary)

    def check(self, draw):
        if draw.top_k and not self.takes_top_k:
            raise BadInput(
                "draw.top_k is not part of the OpenAI protocol; write learner.takes_top_k: true if the server supports it, or draw.top_k: 0"
            )

    def begin(self, human: Human, training, rng):
        return ServerModel(self, human.vocabulary, human.training.records.tokens.shape[1])

    def fit(self, records, weights, start: Any, training, rng):
        """Return the start model unchanged, because nothing is trained."""
        return start

    def load(self, folder):
        from outcross.text.vocabulary import Vocabulary

        stored = json.loads((folder / "server.json").read_text(encoding="utf-8"))
        return ServerModel(self, Vocabulary.load(folder / "vocabulary.json"), stored["block"])


@dataclass(frozen=True, eq=False)
class AnsweredBlocks(Blocks):
    """Blocks with the server's answers from which they were cut."""

    answers: tuple[dict[str, Any], ...] = ()
    """For each request: its record, its place among the requests for that record, the text, and the reason why the server stopped."""
    summary: dict[str, Any] | None = None
    """Numbers of requests and records, and the amount of dropped text."""

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
    """Number of tokens in a record."""
    is_remote = True

    def sample(self, draw, prompts: Blocks | None, rng: np.random.Generator) -> AnsweredBlocks:
        """Return blocks by the server that continue the prompts in their order, from the first one again if there are too few prompts.

        If the text of an answer is too short for a record, further answers are added. After a completion that was cut off by its length, the
        server continues the text. After any other answer the same question is sent again, and a line break separates the two answers. The rest
        of the last answer is dropped and counted. Each answer is stored as it arrives, so a run that was stopped requests no answer twice.
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
                            f"{self.learner.url} wrote only {len(tokens)} tokens for record {record} in {MOST_ANSWERS} answers, "
                            f"but a record needs {self.block - draw.prefix}; use shorter blocks, other prompts or another model"
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
        """Return the joined answers for a record as tokens of the run's vocabulary."""
        (tokens,) = self.vocabulary.encode([self._joined(answers)])
        return tokens

    def _joined(self, answers: Sequence[ServerAnswer]) -> str:
        """Join the answers for a record into one text."""
        text, goes_on = "", True
        for answer in answers:
            text += answer.text if goes_on or not text else f"\n{answer.text}"
            goes_on = self._goes_on(answer)
        return text

    def _goes_on(self, answer: ServerAnswer) -> bool:
        """Whether the next request continues this answer: it was cut off by its length, and the endpoint is `completions`."""
        return answer.finish == "length" and self.learner.endpoint == "completions"

    def _question(self, draw: Draw, opens: str, answers: Sequence[ServerAnswer], seed: int) -> tuple[str, dict[str, Any]]:
        """Return the endpoint and the body of the next request for a record."""
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
        """Raise NotApplicable, because a server does not report the probability of a text."""
        raise NotApplicable("needs the probability of a text, which a model behind a server does not report")

    def save(self, folder: Path) -> None:
        self.vocabulary.save(folder / "vocabulary.json")
        description = {"learner": plain(self.learner), "block": self.block}
        (folder / "server.json").write_text(json.dumps(description, sort_keys=True, indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Answered:
    """The answers for one record."""

    answers: tuple[ServerAnswer, ...]
    tokens: np.ndarray
    """All tokens of the joined answers, (tokens,). A record consists of the first of them."""


def _summary(answered: Sequence[Answered], size: int) -> dict[str, Any]:
    """Return the numbers of requests and records, and how much of the received text was dropped."""
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
    """Say whether the answers so far are stored, and how to resume."""
    if journal.path is None:
        return "the run is in memory, so no answer is stored; pass out= to store them"
    return f"{len(journal.entries):,} answers are stored; run the same command again to resume"
