"""XML-RPC messages as supervisord writes and reads them (http://xmlrpc.com/spec.md), without an HTTP library.

The standard library's xmlrpc.client imports http.client, and with it ssl and email: 5.4 of the 23.4 MiB that a guard would be,
on every node, for one request now and then.
"""

from __future__ import annotations

from typing import Any, Callable, Dict
from xml.etree import ElementTree

#: How deep values may lie in each other.
DEEPEST = 50


class XmlRpcFault(Exception):
    """The answer is a fault."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def request(method: str, arguments: Any) -> bytes:
    """A call. Raises TypeError or OverflowError for arguments that XML-RPC has no form for."""
    params = "".join(f"<param>{_value(one)}</param>" for one in arguments)
    text = f"<?xml version='1.0'?><methodCall><methodName>{_escaped(method)}</methodName><params>{params}</params></methodCall>"
    return text.encode("utf-8")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return f"<value><boolean>{int(value)}</boolean></value>"
    if isinstance(value, int):
        if not -2**31 <= value < 2**31:
            raise OverflowError(f"{value} is no XML-RPC int")
        return f"<value><int>{value}</int></value>"
    if isinstance(value, float):
        return f"<value><double>{value!r}</double></value>"
    if isinstance(value, str):
        return f"<value><string>{_escaped(value)}</string></value>"
    if isinstance(value, (list, tuple)):
        return f"<value><array><data>{''.join(map(_value, value))}</data></array></value>"
    if isinstance(value, dict):
        members = "".join(f"<member><name>{_escaped(name)}</name>{_value(one)}</member>" for name, one in value.items())
        return f"<value><struct>{members}</struct></value>"
    raise TypeError(f"XML-RPC has no form for a {type(value).__name__}")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def answer(data: bytes) -> Any:
    """The value of an answer. Raises Fault when it is one, and ValueError when it is no answer."""
    parser = ElementTree.XMLParser(target=_Builder())
    try:
        parser.feed(data)
        root = parser.close()
    except (ElementTree.ParseError, LookupError) as error:
        # A LookupError is an encoding that nobody knows.
        raise ValueError(str(error)) from None
    if root.tag != "methodResponse":
        raise ValueError(f"it begins with {root.tag}")
    values = [_read(one, DEEPEST) for one in (*root.iterfind("params/param/value"), *root.iterfind("fault/value"))]
    if len(values) != 1:
        raise ValueError(f"it holds {len(values)} values and not one")
    if root.find("fault") is None:
        return values[0]
    fault: Dict[str, Any] = values[0] if isinstance(values[0], dict) else {}
    if not isinstance(fault.get("faultCode"), int) or not isinstance(fault.get("faultString"), str):
        raise ValueError("it is a fault without a code")
    raise XmlRpcFault(fault["faultCode"], fault["faultString"])


class _Builder(ElementTree.TreeBuilder):
    """A document type may have entities, which a parser would expand to any length."""

    def doctype(self, *_: Any) -> None:
        raise ValueError("it has a document type, which no answer of supervisord has")


def _read(element: ElementTree.Element, depth: int) -> Any:
    """The value in an element. depth: how many others it may lie in. Raises ValueError."""
    if depth < 0:
        raise ValueError("its values lie too deep in each other")
    if not len(element):
        # A value without a type is a string.
        return element.text or ""
    kind = element[0]
    if kind.tag == "array":
        return [_read(one, depth - 1) for one in kind.iterfind("data/value")]
    if kind.tag == "struct":
        members = ((one.findtext("name", ""), one.find("value")) for one in kind.iterfind("member"))
        return {name: _read(value, depth - 1) for name, value in members if value is not None}
    if kind.tag not in _KINDS:
        raise ValueError(f"it has a value of the kind {kind.tag}")
    return _KINDS[kind.tag](kind.text or "")


def _boolean(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError(f"{text!r} is no boolean")
    return text == "1"


_KINDS: Dict[str, Callable[[str], Any]] = {"int": int, "i4": int, "boolean": _boolean, "double": float, "string": str}
