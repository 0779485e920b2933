from collections.abc import Mapping, MutableMapping
from typing import Any, Iterator, NamedTuple, Optional

class HTTPHeaders(MutableMapping[str, str]):
    def __init__(self, __values: Mapping[str, str] = ...) -> None: ...
    def __getitem__(self, name: str) -> str: ...
    def __setitem__(self, name: str, value: str) -> None: ...
    def __delitem__(self, name: str) -> None: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[str]: ...

class ResponseStartLine(NamedTuple):
    version: str
    code: int
    reason: str

class HTTPServerRequest:
    method: Optional[str]
    uri: Optional[str]
    headers: HTTPHeaders
    connection: Any
