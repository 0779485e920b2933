"""XML-RPC messages, against the standard library's."""

import xmlrpc.client

import pytest

from supervisor_zkelect.supervisord import xmlrpc as ours

VALUES = [
    0, -1, 2**31 - 1, -2**31, True, False, 1.5, "", "a", "ä & <b> ]]> \" '", " two\nlines ", [], [[]], {}, {"": ""},
    {"a": [1, {"b": "c"}, []], "d": {}}, ["", "x", "", {}, 0, False], [{"statename": "RUNNING", "pid": 7}] * 3,
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_an_answer_is_read_as_the_standard_library_reads_it(value):
    data = xmlrpc.client.dumps((value,), methodresponse=True).encode()
    found = ours.answer(data)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_request_is_read_by_the_standard_library(value):
    arguments, method = xmlrpc.client.loads(ours.request("system.multicall", (value, "x")))
    assert method == "system.multicall" and arguments == (value, "x")


def test_a_value_without_a_type_is_a_string():
    body = "<methodResponse><params><param><value>te xt</value></param></params></methodResponse>"
    assert ours.answer(body.encode()) == "te xt"


def test_white_space_between_elements_is_nothing():
    data = xmlrpc.client.dumps(({"a": [1, "b"]},), methodresponse=True).replace("><", ">\n  <").encode()
    assert ours.answer(data) == {"a": [1, "b"]}


def test_a_fault_is_raised():
    data = xmlrpc.client.dumps(xmlrpc.client.Fault(10, "BAD_NAME: x"), methodresponse=True).encode()
    with pytest.raises(ours.XmlRpcFault) as raised:
        ours.answer(data)
    assert (raised.value.code, raised.value.text) == (10, "BAD_NAME: x")


@pytest.mark.parametrize("data", [
    b"", b"x", b"<html/>", b"<methodResponse/>", b"<methodResponse><params/></methodResponse>",
    b"<methodResponse><params><param><value><int>x</int></value></param></params></methodResponse>",
    b"<methodResponse><params><param><value><boolean>2</boolean></value></param></params></methodResponse>",
    b"<methodResponse><fault><value><int>1</int></value></fault></methodResponse>",
    b"<methodResponse><params><param><value>1</value></param><param><value>2</value></param></params></methodResponse>",
    b"<methodResponse><params><param><value><int>1</int></value>",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]><methodResponse><params><param><value>&b;</value></param></params></methodResponse>",
    b"<methodResponse><params><param>" + b"<value><array><data>" * 100,
    b"<methodCall><methodName>a</methodName></methodCall>",
    b"<methodResponse>\xff</methodResponse>", b'<?xml version="1.0" encoding="nonsense"?><methodResponse/>',
])
def test_what_is_no_answer_is_a_value_error(data):
    with pytest.raises(ValueError):
        ours.answer(data)


@pytest.mark.parametrize("value", [None, object(), b"x", {1: 2}, 2**31])
def test_what_has_no_form_is_refused(value):
    with pytest.raises((TypeError, OverflowError, AttributeError)):
        ours.request("x", (value,))
