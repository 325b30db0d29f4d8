"""A model behind a server: real HTTP, with the faults of real servers."""

import contextlib
import json
import os
import signal
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import numpy as np
import pytest
from conftest import outcross as command
from conftest import script, write_tiny
from hypothesis import given, settings
from hypothesis import strategies as st

import outcross
from outcross.errors import BadInput, MachineGaveOut
from outcross.files.journal import Journal
from outcross.text.vocabulary import Vocabulary

pytest.importorskip("httpx")
pytest.importorskip("tenacity")
from speaking_server import NAME, speaking_server

pytestmark = pytest.mark.usefixtures("without_charts")

SECRET = "sk-never-to-be-seen-1234567890"
ROWS, BLOCK = 12, 8


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    monkeypatch.setenv("OUTCROSS_SERVER_WAIT", "0.01")
    monkeypatch.setenv("OUTCROSS_SERVER_TRIES", "3")
    monkeypatch.setenv("OUTCROSS_SERVER_SECONDS", "20")


@pytest.fixture
def server():
    with speaking_server() as speaking:
        yield speaking


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    write_tiny(folder)
    return folder / "text.txt"


@pytest.fixture
def asked(server, text):
    """The experiment, with changes to its learner and to the rest."""

    def recipe(learner=None, **rest):
        return {
            "name": "teacher", "human": {"path": str(text), "rows": ROWS, "held_out": 0.1}, "block": BLOCK, "generations": 2,
            "learner": {"kind": "server", "url": server.url, "model": NAME, "vocabulary": 400, **(learner or {})},
            "metrics": ["held_out"], **rest,
        }  # fmt: skip

    return recipe


def requests_at_a_time(monkeypatch, n):
    monkeypatch.setenv("OUTCROSS_SERVER_REQUESTS", str(n))


def vocabulary_of(run):
    return Vocabulary.load(run.kept(run.ledger.generations["replace", 0, 0].steps["model"]) / "vocabulary.json")


def answers_of(run, generation=0):
    lines = (run.kept(run.ledger.generations["replace", 0, generation].steps["drawn"]) / "answers.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def refused(recipe, out, kind=BadInput):
    """What a run says that is refused: one line."""
    with pytest.raises(kind) as error:
        outcross.run(recipe, out=out).finish()
    assert "\n" not in str(error.value) and SECRET not in str(error.value)
    return str(error.value)


def test_a_record_is_what_was_answered_to_its_prompt_whatever_the_order_of_the_answers(server, asked, tmp_path, monkeypatch):
    requests_at_a_time(monkeypatch, 4)
    later = threading.Event()

    def first_is_last(number, body, handler):
        later.wait(timeout=5) if number == 0 else later.set() if number >= 6 else None

    server.fault = first_is_last
    run = outcross.run(asked(), out=tmp_path / "run").finish()
    answers = answers_of(run)
    assert [answer["record"] for answer in answers] == list(range(ROWS))
    drawn, vocabulary = run.drawn("replace", 0, 0), vocabulary_of(run)
    assert drawn.tokens.tolist() == [ids[:BLOCK].tolist() for ids in vocabulary.encode([answer["text"] for answer in answers])]
    assert drawn.column("_prompt").tolist() == list(range(ROWS))
    by_prompt = {body["prompt"]: server.text(body) for body in server.bodies[:ROWS]}
    human = next(iter(outcross.run(asked(generations=1)))).human.training.records.texts
    assert [answer["text"] for answer in answers] == [by_prompt[text.strip("\ufffd")] for text in human]
    assert 1 < server.most_at_once <= 4


def test_what_is_dropped_is_counted(server, asked, tmp_path):
    run = outcross.run(asked(), out=tmp_path / "run").finish()
    summary = json.loads((run.kept(run.ledger.generations["replace", 0, 1].steps["drawn"]) / "answers.json").read_text())
    came = sum(map(len, vocabulary_of(run).encode([answer["text"] for answer in answers_of(run, 1)])))
    assert summary == {
        "records": ROWS, "requests": ROWS, "records_of_several_answers": 0, "empty_answers": 0, "finish": {"length": ROWS},
        "tokens": came, "dropped_tokens": came - ROWS * BLOCK, "dropped_share": round(1 - ROWS * BLOCK / came, 6),
    }  # fmt: skip


def test_a_request_says_how_to_write_and_generations_and_records_have_seeds_of_their_own(server, asked, tmp_path):
    draw = {"temperature": 0.7, "top_p": 0.9, "top_k": 40}
    outcross.run(asked({"takes_top_k": True, "max_tokens": 30}, draw=draw), out=tmp_path / "run").finish()
    said = [{name: body[name] for name in ("model", "max_tokens", *draw, "n", "stream")} for body in server.bodies]
    assert said == [{"model": NAME, "max_tokens": 30, **draw, "n": 1, "stream": False}] * 2 * ROWS
    assert len({body["seed"] for body in server.bodies}) == 2 * ROWS
    assert set(server.paths) == {"/v1/completions"}


def test_a_chat_is_told_to_continue_each_prompt(server, asked, tmp_path):
    run = outcross.run(asked({"endpoint": "chat", "instruction": "Go on."}, generations=1), out=tmp_path / "run").finish()
    assert set(server.paths) == {"/v1/chat/completions"} and "top_k" not in server.bodies[0]
    assert all(body["messages"][0] == {"role": "system", "content": "Go on."} for body in server.bodies)
    assert {body["messages"][1]["role"] for body in server.bodies} == {"user"} and run.texts("replace", 0, 0).height == ROWS


def test_without_prompts_a_completion_begins_with_nothing_and_a_chat_with_its_instruction(server, asked):
    list(outcross.run(asked(draw={"prompts": "none"}, generations=1)))
    assert {body["prompt"] for body in server.bodies} == {""}
    server.bodies.clear()
    list(outcross.run(asked({"endpoint": "chat", "instruction": "Write."}, draw={"prompts": "none"}, generations=1)))
    assert [body["messages"] for body in server.bodies] == [[{"role": "user", "content": "Write."}]] * ROWS


def test_a_prefix_is_sent_and_kept(server, asked):
    (generation,) = outcross.run(asked(draw={"prefix": 3}, generations=1))
    human = generation.human.training.records.tokens
    assert np.array_equal(generation.drawn.records.tokens[:, :3], human[:, :3])
    assert {body["max_tokens"] for body in server.bodies} == {BLOCK - 3}


def test_what_was_cut_off_goes_on_and_what_had_ended_is_asked_again(server, asked, tmp_path):
    server.text = lambda body: " ab"
    run = outcross.run(asked(generations=1), out=tmp_path / "length").finish()
    first = next(body["prompt"] for body in server.bodies)
    assert {body["prompt"] for body in server.bodies if body["prompt"].startswith(first)} >= {
        first,
        first + " ab",
        first + " ab ab",
    }
    assert all(text.startswith(" ab ab") for text in run.texts("replace", 0, 0)["text"])
    server.finish, server.bodies[:] = "stop", []
    run = outcross.run(asked(generations=1), out=tmp_path / "stop").finish()
    assert all(text.startswith(" ab\n ab\n") for text in run.texts("replace", 0, 0)["text"])
    prompts = [body["prompt"] for body in server.bodies]
    assert len(set(prompts)) == ROWS < len(prompts) and len({body["seed"] for body in server.bodies}) == len(prompts)


def test_a_server_that_writes_nothing_is_refused(server, asked, tmp_path):
    server.text = lambda body: ""
    assert "wrote only 0 tokens for record" in refused(asked(), tmp_path / "run")


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_busy_server_is_asked_again(server, asked, tmp_path, status):
    seen = set()

    def busy_at_first(number, body, handler):
        is_new = body["prompt"] not in seen
        seen.add(body["prompt"])
        return is_new and [handler.send(status, "{}", Retry_After="0")]

    server.fault = busy_at_first
    run = outcross.run(asked(generations=1), out=tmp_path / "run").finish()
    assert run.texts("replace", 0, 0).height == ROWS and set(server.answered.values()) == {1} and len(server.bodies) == 2 * ROWS


def test_a_dropped_connection_and_a_slow_answer_are_asked_again(server, asked, tmp_path, monkeypatch):
    monkeypatch.setenv("OUTCROSS_SERVER_SECONDS", "0.3")

    def fault(number, body, handler):
        if number == 1:
            handler.hang_up()
            return True
        if number == 3:
            time.sleep(0.6)
            handler.hang_up()
            return True
        return None

    server.fault = fault
    run = outcross.run(asked(generations=1), out=tmp_path / "run").finish()
    assert run.texts("replace", 0, 0).height == ROWS and len(server.bodies) == ROWS + 2


def test_an_answer_that_never_ends_is_given_up(server, asked, tmp_path, monkeypatch):
    monkeypatch.setenv("OUTCROSS_SERVER_SECONDS", "0.2")
    monkeypatch.setenv("OUTCROSS_SERVER_TRIES", "1")

    def drips(number, body, handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for _ in range(20):
            handler.wfile.write(b"1\r\n \r\n")
            handler.wfile.flush()
            time.sleep(0.05)
        return True

    server.fault = drips
    said = refused(asked(), tmp_path / "run", MachineGaveOut)
    assert "failed in 1 tries (no complete answer within 0.2 seconds)" in said and "0 answers are stored" in said


@pytest.mark.parametrize("sent", [b"HTTP/1.1 102 Processing\r\n\r\n", b"a"])
def test_a_server_that_never_ends_its_headers_is_left(asked, sent, monkeypatch):
    monkeypatch.setenv("OUTCROSS_SERVER_SECONDS", "0.2")
    monkeypatch.setenv("OUTCROSS_SERVER_TRIES", "1")
    listening = socket.create_server(("127.0.0.1", 0))

    def send_for_ever():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=dribble, args=(connection,), daemon=True).start()

    def dribble(connection):
        with contextlib.suppress(OSError), connection:
            connection.sendall(b"" if sent.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\nX: ")
            while True:
                connection.sendall(sent)
                time.sleep(0.05)

    threading.Thread(target=send_for_ever, daemon=True).start()
    with listening, pytest.raises(MachineGaveOut, match=r"failed in 1 tries \(no complete answer within 0.2 seconds\)"):
        list(outcross.run(outcross.experiment(asked(learner={"url": f"http://127.0.0.1:{listening.getsockname()[1]}/v1"}))))


@pytest.mark.parametrize(
    "after", ["100000", format_datetime(datetime.now(UTC) + timedelta(days=2), usegmt=True)], ids=["number", "date"]
)
def test_a_server_that_asks_to_be_left_alone_for_long_ends_the_run(server, asked, tmp_path, after):
    server.fault = lambda number, body, handler: [handler.send(429, '{"error": {"message": "quota"}}', Retry_After=after)]
    assert "requests a wait of" in refused(asked(), tmp_path / "run", MachineGaveOut)


def test_a_server_that_dies_and_comes_back_is_asked_for_what_is_missing_alone(server, asked, tmp_path):
    server.fault = lambda number, body, handler: number >= 17 and [handler.send(503, '{"error": "going down"}')]
    said = refused(asked(), tmp_path / "run", MachineGaveOut)
    assert "failed in 3 tries (503: going down)" in said and "answers are stored; run the same command again" in said
    before = sum(server.answered.values())
    assert before == 17
    server.fault = lambda number, body, handler: None
    run = outcross.run(asked(), out=tmp_path / "run").finish()
    assert sum(server.answered.values()) == 2 * ROWS and set(server.answered.values()) == {1}
    assert not list((tmp_path / "run" / "steps").glob(".working-*"))
    whole = outcross.run(asked(), out=tmp_path / "whole").finish()
    for g in range(2):
        assert run.drawn("replace", 0, g).digest == whole.drawn("replace", 0, g).digest


def test_a_server_that_is_not_there_ends_the_run_with_exit_code_3(asked, tmp_path):
    recipe = asked({"url": "http://127.0.0.1:9/v1"})
    assert "http://127.0.0.1:9/v1 failed in 3 tries" in refused(recipe, tmp_path / "run", MachineGaveOut)
    assert MachineGaveOut.exit_code == 3


def test_kill_9_loses_no_answer_and_asks_for_none_twice(server, asked, tmp_path):
    spec = tmp_path / "teacher.yaml"
    spec.write_text(json.dumps(asked(generations=1)))

    def kills(number, body, handler):
        if number != 7:
            return None
        os.kill(int(next((tmp_path / "run").glob("pid")).read_text()), signal.SIGKILL)
        handler.hang_up()
        return True

    server.fault = kills
    (tmp_path / "run").mkdir()
    killed = KILLED.replace("SPEC", str(spec)).replace("RUN", str(tmp_path / "run"))
    ended = script("-c", killed, OUTCROSS_SERVER_REQUESTS="1")
    assert ended.returncode == -signal.SIGKILL and sum(server.answered.values()) == 7
    again = command("run", spec, "--out", tmp_path / "run", "--quiet", "--workers", 1)
    assert again.returncode == 0, again.stderr
    assert sum(server.answered.values()) == ROWS and set(server.answered.values()) == {1}


def test_ctrl_c_waits_for_no_answer(server, asked, tmp_path, monkeypatch):
    """Though polars, which every run of texts uses, lets waits go on after a signal."""
    silent = threading.Event()

    def says_nothing(number, body, handler):
        if number == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return number >= 2 and (silent.wait(timeout=20) or True)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    server.fault = says_nothing
    try:
        with pytest.raises(KeyboardInterrupt):
            outcross.run(asked(generations=1), out=tmp_path / "run").finish()
        assert not silent.is_set() and sum(server.answered.values()) == 2
    finally:
        signal.signal(signal.SIGINT, before)
        silent.set()
        server.fault = lambda number, body, handler: None
    outcross.run(asked(generations=1), out=tmp_path / "run").finish()
    assert sum(server.answered.values()) == ROWS and set(server.answered.values()) == {1}


KILLED = """
import os, pathlib
import outcross
run = outcross.run("SPEC", out="RUN")
pathlib.Path("RUN/pid").write_text(str(os.getpid()))
run.finish()
"""


def test_a_finished_run_and_what_it_has_done_are_not_asked_for_again(server, asked, tmp_path):
    outcross.run(asked(), out=tmp_path / "run").finish()
    asked_for = len(server.bodies)
    outcross.run(asked(), out=tmp_path / "run").finish()
    assert len(server.bodies) == asked_for
    outcross.run(asked(generations=3), out=tmp_path / "run").finish()
    assert len(server.bodies) == asked_for + ROWS


def test_an_answer_by_another_model_is_refused_unless_the_experiment_names_it(server, asked, tmp_path):
    server.name = "gpt-other"
    said = refused(asked(), tmp_path / "run")
    assert f"answers as the model 'gpt-other', but '{NAME}' was requested; set learner.model or learner.answers_as" in said
    run = outcross.run(asked({"answers_as": "gpt-other"}, generations=1), out=tmp_path / "other").finish()
    assert run.texts("replace", 0, 0).height == ROWS


ODD = [
    ("", "which is not a JSON object"),
    ("<html>gateway</html>", "answers with '<html>gateway</html>', which is not a JSON object"),
    ("[1, 2]", "which is not a JSON object"),
    ("[" * 50_000, "which is not a JSON object"),
    ("{}", "without the name of its model"),
    ('{"model": null, "choices": []}', "without the name of its model"),
    (json.dumps({"model": NAME}), "without a choice"),
    (json.dumps({"model": NAME, "choices": []}), "without a choice"),
    (json.dumps({"model": NAME, "choices": {"0": 1}}), "without a choice"),
    (json.dumps({"model": NAME, "choices": ["text"]}), "without a choice"),
    (json.dumps({"model": NAME, "choices": [{"text": 5}]}), "without a text"),
    (json.dumps({"model": NAME, "choices": [{"message": {"content": [1]}}]}), "without a text"),
    (b"\xff\xfe" * 1000, "which is not a JSON object"),
    (b" " * (5 << 20), "answers with more than 4 MiB"),
]


@pytest.mark.parametrize(("content", "why"), ODD, ids=range(len(ODD)))
def test_an_answer_of_another_shape_is_refused_in_one_line(server, asked, tmp_path, content, why):
    server.fault = lambda number, body, handler: number >= 2 and [handler.send(200, content)]
    said = refused(asked(), tmp_path / "run")
    assert said.startswith(server.url) and why in said and "answers are stored" in said and len(said) < 500


@pytest.mark.parametrize(
    ("status", "headers", "why"),
    [
        (302, {"Location": "http://elsewhere/v1\n"}, "a redirect to 'http://elsewhere/v1', which is not followed"),
        (400, {}, "answers 400: bad words; change the setting that it names"),
        (401, {}, "answers 401: bad words; give a key: learner.api_key_env"),
        (404, {}, "check learner.url"),
        (501, {}, "answers 501"),
        (200, {"Content_Encoding": "gzip"}, "compresses its answers"),
    ],
)
def test_a_refusal_says_what_the_server_said_and_what_to_do(server, asked, tmp_path, status, headers, why):
    headers = {name: value.strip() for name, value in headers.items()}
    server.fault = lambda number, body, handler: [handler.send(status, '{"error": {"message": "bad\\nwords"}}', **headers)]
    assert why in refused(asked(), tmp_path / "run")


def test_text_that_is_no_unicode_is_kept_as_question_marks(server, asked, tmp_path):
    server.text = lambda body: " \ud800 a\x00b" * 9
    run = outcross.run(asked(generations=1), out=tmp_path / "run").finish()
    assert all(text.startswith(" ? a\x00b") for text in run.texts("replace", 0, 0)["text"])


def test_the_key_reaches_the_server_and_no_file_and_no_message(server, asked, tmp_path, monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", SECRET)
    recipe = asked({"api_key_env": "TEACHER_KEY"})
    server.fault = lambda number, body, handler: (
        number >= 5 and [handler.send(401, json.dumps({"error": {"message": f"no such key: {SECRET}"}}))]
    )
    assert "no such key: …; give another key" in refused(recipe, tmp_path / "run")
    server.fault = lambda number, body, handler: None
    run = outcross.run(recipe, out=tmp_path / "run").finish()
    run.report()
    assert {headers["Authorization"] for headers in server.headers} == {f"Bearer {SECRET}"}
    assert not [path for path in (tmp_path / "run").rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert "TEACHER_KEY" in (tmp_path / "run" / "experiment.yaml").read_text()


def test_a_word_in_place_of_a_key_is_no_secret(server, asked, tmp_path, monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", "none")
    server.text = lambda body: " none of them" * 9
    outcross.run(asked({"api_key_env": "TEACHER_KEY"}, generations=1), out=tmp_path / "run").finish()
    assert {headers["Authorization"] for headers in server.headers} == {"Bearer none"}


def test_an_answer_that_repeats_the_key_is_not_kept(server, asked, tmp_path, monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", SECRET)
    server.text = lambda body: f" the key is {SECRET}"
    assert "repeats the key in its answer" in refused(asked({"api_key_env": "TEACHER_KEY"}), tmp_path / "run")
    assert not [path for path in (tmp_path / "run").rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("learner", "rest", "why"),
    [
        ({"url": f"http://user:{SECRET}@host/v1"}, {}, "learner.url must be http://HOST:PORT/v1 .*without a user name and a password"),
        ({"url": f"http://host/v1?key={SECRET}"}, {}, r"learner.url must be .*without \? and #"),
        ({"url": "ftp://host/v1"}, {}, "learner.url must be http://HOST:PORT/v1"),
        ({"url": "http://host:99999/v1"}, {}, "learner.url must be http://HOST:PORT/v1"),
        ({"url": "http://ho st/v1"}, {}, "learner.url must be http://HOST:PORT/v1"),
        ({"url": "http:///v1"}, {}, "learner.url must be http://HOST:PORT/v1"),
        ({"url": "http://host/v1/chat/completions"}, {}, "without the endpoint;"),
        ({"api_key_env": SECRET}, {}, "must be the name of an environment variable in capitals"),
        ({"endpoint": "responses"}, {}, "learner.endpoint must be 'completions' or 'chat'"),
        ({"model": ""}, {}, "learner.model"),
        ({}, {"draw": {"top_k": 5}}, "draw.top_k is not part of the OpenAI protocol; write learner.takes_top_k: true"),
        ({}, {"draw": {"temperature": 0, "beams": 5}}, "server is not one"),
        ({}, {"store": "readings"}, "cannot be written again; write store: all"),
        ({}, {"training": {"steps": 5}}, "training has no meaning for server, which is not trained"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused_before_anything_is_asked(server, asked, learner, rest, why):
    with pytest.raises(BadInput, match=why) as error:
        outcross.run(asked(learner, **rest))
    assert SECRET not in str(error.value) and "\n" not in str(error.value) and not server.bodies


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("TEACHER_KEY", "", "TEACHER_KEY, which learner.api_key_env names, is not set"),
        ("TEACHER_KEY", "ключ", "not valid in a header"),
        ("OUTCROSS_SERVER_REQUESTS", "0", "must be a whole number from 1 to 256, got '0'"),
        ("OUTCROSS_SERVER_SECONDS", "nan", "must be a number from 0.01 to 86400, got 'nan'"),
        ("ALL_PROXY", "gopher://here", "cannot be reached"),
    ],
)
def test_an_environment_that_cannot_be_is_refused(server, asked, tmp_path, monkeypatch, name, value, why):
    monkeypatch.setenv("TEACHER_KEY", "fine")
    monkeypatch.setenv(name, value)
    assert why in refused(asked({"api_key_env": "TEACHER_KEY"}), tmp_path / "run") and not server.bodies


def test_what_needs_probabilities_is_not_applicable_and_says_why(server, asked, tmp_path):
    run = outcross.run(asked(metrics=["held_out", "decoding"], draw={"temperature": 0.5}), out=tmp_path / "run").finish()
    notes = dict(run.readings.select("measure", "note").iter_rows())
    assert run.readings["value"].null_count() == len(run.readings)
    assert notes["held_out_loss"] == "needs the probability of a text, which a model behind a server does not report"
    assert "a model on a server writes only its own records" in notes["decoding_loss"] and len(server.bodies) == 2 * ROWS


def test_every_generation_has_the_same_model_and_its_own_training_set(server, asked, tmp_path):
    run = outcross.run(asked(), out=tmp_path / "run").finish()
    models, trainings = ({run.ledger.generations["replace", 0, g].steps[what] for g in range(2)} for what in ("model", "training"))
    assert len({run.ledger.entries[key].output for key in models}) == 1 and len(trainings) == 2
    assert [part.origin.author for g in range(2) for part in run.training("replace", 0, g).pool.parts] == ["human", "model"]


def test_a_run_in_memory_says_that_its_answers_are_lost(server, asked):
    server.fault = lambda number, body, handler: number >= 3 and [handler.send(500, "{}")]
    with pytest.raises(MachineGaveOut, match="no answer is stored; pass out="):
        list(outcross.run(asked()))


# The journal

ENTRIES = st.dictionaries(st.text(max_size=5), st.one_of(st.integers(), st.text(), st.booleans()), max_size=3)


@given(st.lists(ENTRIES, max_size=4), st.integers(0, 40))
@settings(max_examples=20)
def test_a_journal_gives_back_what_was_written_whatever_a_kill_cut_off(tmp_path_factory, entries, cut):
    path = tmp_path_factory.mktemp("journal") / "a" / "journal"
    journal = Journal(path)
    for entry in entries:
        journal.append(entry)
    assert Journal(path).entries == journal.entries == entries
    if not entries:
        return
    content = path.read_bytes()
    last = content.splitlines(keepends=True)[-1]
    path.write_bytes(content[: len(content) - min(cut, len(last))])
    whole = entries if cut <= 1 else entries[:-1]
    again = Journal(path)
    assert again.entries == whole
    again.append({"more": 1})
    assert Journal(path).entries == [*whole, {"more": 1}]


def test_a_line_that_was_changed_is_not_believed(tmp_path):
    journal = Journal(tmp_path / "journal")
    for number in range(3):
        journal.append({"number": number})
    content = journal.path.read_bytes()
    journal.path.write_bytes(content.replace(b'"number": 1', b'"number": 7'))
    assert Journal(tmp_path / "journal").entries == [{"number": 0}, {"number": 2}]
