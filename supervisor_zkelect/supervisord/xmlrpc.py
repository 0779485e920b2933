"""XML-RPC messages as supervisord writes and reads them (http://xmlrpc.com/spec.md), without an HTTP library.

The standard library's xmlrpc.client imports http.client, and with it ssl and email: 5.4 of the 23.4 MiB that a guard would be,
on every node, for one request now and then.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional
from xml.parsers import expat

#: How deep values may lie in each other.
DEEPEST = 50


class Fault(Exception):
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
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError) as error:
        # A LookupError is an encoding that nobody knows.
        raise ValueError(str(error)) from None
    return reader.result()


class _Reader:
    """Builds the value. `_levels` holds what is open: a list, a dict, or None for a value that is still text."""

    def __init__(self) -> None:
        self._levels: List[Any] = []
        self._names: List[str] = []
        self._values: List[Any] = []
        self._text = ""
        self._typed = False
        self._fault = False
        self._kind: Optional[str] = None

    def refuse(self, *_: Any) -> None:
        raise ValueError("it has a document type, which no answer of supervisord has")

    def text(self, text: str) -> None:
        self._text += text

    def start(self, name: str, _: Any) -> None:
        self._text = ""
        if not self._kind:
            if name != "methodResponse":
                raise ValueError(f"it begins with {name}")
            self._kind = name
        elif name == "fault":
            self._fault = True
        elif name == "value":
            self._typed = False
        elif name in ("array", "struct"):
            if len(self._levels) >= DEEPEST:
                raise ValueError("its values lie too deep in each other")
            self._levels.append([] if name == "array" else {})
            self._names.append("")

    def end(self, name: str) -> None:
        if name in _KINDS:
            self._values.append(_KINDS[name](self._text))
            self._typed = True
        elif name in ("array", "struct"):
            self._names.pop()
            self._values.append(self._levels.pop())
            self._typed = True
        elif name == "name" and self._names:
            self._names[-1] = self._text
        elif name == "value":
            # A value without a type is a string.
            value = self._values.pop() if self._typed else self._text
            self._typed = False
            self._put(value)
        self._text = ""

    def _put(self, value: Any) -> None:
        level = self._levels[-1] if self._levels else None
        if isinstance(level, list):
            level.append(value)
        elif isinstance(level, dict):
            level[self._names[-1]] = value
        else:
            self._values.append(value)

    def result(self) -> Any:
        if len(self._values) != 1:
            raise ValueError(f"it holds {len(self._values)} values and not one")
        value = self._values[0]
        if not self._fault:
            return value
        fault: Dict[str, Any] = value if isinstance(value, dict) else {}
        if not isinstance(fault.get("faultCode"), int) or not isinstance(fault.get("faultString"), str):
            raise ValueError("it is a fault without a code")
        raise Fault(fault["faultCode"], fault["faultString"])


def _boolean(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError(f"{text!r} is no boolean")
    return text == "1"


_KINDS: Dict[str, Callable[[str], Any]] = {"int": int, "i4": int, "boolean": _boolean, "double": float, "string": str}
