"""Messages between processes: named tuples in the program, JSON objects on the wire, one per line.

A table names the kinds of one direction. One member of the object, the table's tag, names the kind; the others are the fields
of its class. A tuple inside a message is a list on the wire. Whatever is unknown, missing, superfluous or of another type is
refused, so that a handler never meets a value that its declaration excludes.
"""

from __future__ import annotations

import json
from typing import AbstractSet, Any, Callable, Collection, Dict, Mapping, Sequence, Type, get_type_hints

Handler = Callable[..., None]

#: Made once: json.dumps makes an encoder for each text that is not by its defaults.
_line = json.JSONEncoder(separators=(",", ":")).encode


class Kinds:
    """The messages of one direction. tag: the member that names the kind. kinds: the class for each name."""

    def __init__(self, tag: str, kinds: Mapping[str, Type[Any]]) -> None:
        self._tag = tag
        self._kinds = dict(kinds)
        self._names = {kind: name for name, kind in kinds.items()}
        for kind in kinds.values():
            _learn(kind)

    def kind(self, document: Mapping[str, Any]) -> Type[Any]:
        """The class that a JSON object names. Raises ValueError for one that is not in the table, and KeyError without a name."""
        name = document[self._tag]
        if not isinstance(name, str) or name not in self._kinds:
            raise ValueError(f"unknown message {str(name)[:20]!r}")
        return self._kinds[name]

    def decode(self, document: Mapping[str, Any]) -> Any:
        """The message that a JSON object is. Raises ValueError, KeyError or TypeError when it is none."""
        kind = self.kind(document)
        return _build(kind, {name: value for name, value in document.items() if name != self._tag})

    def encode(self, message: Any) -> bytes:
        """The line for a message. Raises KeyError for one whose class is not in the table."""
        return _line(self.document(message)).encode() + b"\n"

    def document(self, message: Any) -> Dict[str, Any]:
        """The JSON object for a message. Raises KeyError for one whose class is not in the table."""
        return {self._tag: self._names[type(message)], **{name: getattr(message, name) for name in _fields[type(message)]}}

    @property
    def kinds(self) -> AbstractSet[Type[Any]]:
        """The classes of all messages of this direction."""
        return self._names.keys()


def handlers(kinds: Collection[Type[Any]], table: Mapping[Type[Any], Handler]) -> Mapping[Type[Any], Handler]:
    """The table, which has a handler for each kind of message. Raises TypeError where one is missing, or superfluous."""
    wrong = set(kinds) ^ set(table)
    if wrong:
        raise TypeError(f"not one handler for each kind of message: {', '.join(sorted(kind.__name__ for kind in wrong))}")
    return table


#: The types of the fields of each class, in their order. All are found beforehand: no stop waits for Python to compile something.
_fields: Dict[Type[Any], Dict[str, Any]] = {}


def _learn(kind: Type[Any]) -> None:
    """Find the types of a class's fields, and of those of all classes that they are of."""
    _fields[kind] = get_type_hints(kind)
    inner = list(_fields[kind].values())
    for hint in inner:
        inner += getattr(hint, "__args__", ())
        if hasattr(hint, "_fields"):
            _learn(hint)


def _build(kind: Type[Any], values: Mapping[str, Any]) -> Any:
    hints = _fields[kind]
    if not values.keys() <= hints.keys():
        raise TypeError(f"{kind.__name__} has no field {min(set(values) - set(hints))[:20]!r}")
    return kind(**{name: _fit(value, hints[name]) for name, value in values.items()})


def _fit(value: Any, hint: Any) -> Any:
    """A value from JSON as the type that its field is declared with. Raises TypeError."""
    if type(value) is hint or hint is Any:
        return value
    origin: Any = getattr(hint, "__origin__", None)
    inner: Sequence[Any] = getattr(hint, "__args__", ())
    if origin is dict and isinstance(value, dict):
        return {name: _fit(one, inner[1]) for name, one in value.items()}
    if origin is list and isinstance(value, list):
        return [_fit(one, inner[0]) for one in value]
    if origin is tuple and isinstance(value, list):
        kinds = [inner[0]] * len(value) if inner[1:] == (...,) else list(inner)
        if len(kinds) == len(value):
            return tuple(map(_fit, value, kinds))
    if hasattr(hint, "_fields") and isinstance(value, list) and len(value) <= len(hint._fields):
        return _build(hint, dict(zip(hint._fields, value)))
    if hint is float and type(value) is int:
        return value
    raise TypeError(f"{str(value)[:20]!r} is not of type {getattr(hint, '__name__', hint)}")
