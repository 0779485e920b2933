"""The event protocol against streams that supervisord, or somebody else, might write."""

import io
import os

import pytest

from supervisor_zkelect.supervisord.eventstream import LONGEST, StreamEnded, SupervisordEvent, read

HEADER = b"ver:3.0 server:s serial:1 pool:p poolserial:1 eventname:%s len:%d\n"


def events(stream):
    output, posted = io.BytesIO(), []
    read(io.BytesIO(stream), output, posted.append)
    assert isinstance(posted.pop(), StreamEnded)
    return posted, output.getvalue()


def message(name, payload):
    return HEADER % (name, len(payload)) + payload


def test_each_event_is_acknowledged_and_posted():
    posted, output = events(message(b"PROCESS_STATE_FATAL", b"processname:x groupname:g from_state:BACKOFF") * 2)
    event = SupervisordEvent("PROCESS_STATE_FATAL", {"processname": "x", "groupname": "g", "from_state": "BACKOFF"})
    assert posted == [event, event]
    assert output == b"READY\n" + b"RESULT 2\nOKREADY\n" * 2


@pytest.mark.parametrize("garbage", [
    b"\n", b"garbage\n", b"len:\n", b"len:-1\n", b"len:x\n", "len:²\n".encode(), b"\xff\xfe\x00\n",
    b"len:%d\n" % (LONGEST + 1), b"len:" + b"9" * 5000 + b"\n", b"x" * 100000 + b"\n",
])
def test_a_line_that_is_no_header_is_passed_over(garbage):
    posted, output = events(garbage + message(b"TICK_5", b"when:1"))
    assert posted == [SupervisordEvent("TICK_5", {"when": "1"})]
    assert output == b"READY\nRESULT 2\nOKREADY\n"


def test_what_a_length_leaves_over_does_not_hide_the_next_event():
    """supervisord counts characters and sends bytes, so the end of a payload in other letters comes as a rest."""
    payload = "processname:größe groupname:g from_state:RUNNING".encode()
    posted, output = events(HEADER % (b"PROCESS_STATE_FATAL", len(payload.decode())) + payload + message(b"TICK_5", b"when:1"))
    assert [event.name for event in posted] == ["PROCESS_STATE_FATAL", "TICK_5"]
    assert posted[1].fields == {"when": "1"} and output.count(b"RESULT") == 2


def test_a_pipe_that_nobody_reads_is_the_end():
    reading, writing = os.pipe()
    os.close(reading)
    posted = []
    with os.fdopen(writing, "wb", buffering=0) as output:
        read(io.BytesIO(message(b"TICK_5", b"when:1")), output, posted.append)
    assert posted == [StreamEnded()]


@pytest.mark.parametrize("payload", [b"", b"\x00\xff\xfe", b"no colon", b":::", b"a:b\nRESULT 2\nFAIL", b"x" * 1000000])
def test_any_payload_is_an_event(payload):
    posted, _ = events(message(b"REMOTE_COMMUNICATION", payload) + message(b"TICK_5", b"when:1"))
    assert [event.name for event in posted] == ["REMOTE_COMMUNICATION", "TICK_5"]


@pytest.mark.parametrize("stream", [b"", b"half a head", HEADER % (b"TICK_5", 10) + b"short"])
def test_a_stream_that_breaks_off_posts_nothing(stream):
    assert events(stream) == ([], b"READY\n")
