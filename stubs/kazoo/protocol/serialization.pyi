import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

from kazoo.protocol.states import ZnodeStat
from kazoo.security import ACL
from typing_extensions import Self

int_struct: struct.Struct

class Connect(NamedTuple):
    protocol_version: int
    last_zxid_seen: int
    time_out: int
    session_id: int
    passwd: bytes
    read_only: bool
    def serialize(self) -> bytearray: ...
    @classmethod
    def deserialize(cls, bytes: bytes, offset: int) -> tuple[Self, int]: ...

class ReplyHeader(NamedTuple):
    xid: int
    zxid: int
    err: int
    @classmethod
    def deserialize(cls, bytes: bytes, offset: int) -> tuple[Self, int]: ...

class _Request:
    type: int
    def serialize(self) -> bytes | bytearray: ...

class Auth(_Request):
    def __init__(self, auth_type: int, scheme: str, auth: str) -> None: ...

class CheckVersion(_Request):
    def __init__(self, path: str, version: int) -> None: ...

class Close(_Request): ...

class Create(_Request):
    def __init__(self, path: str, data: bytes, acl: Sequence[ACL], flags: int) -> None: ...
    @classmethod
    def deserialize(cls, bytes: bytes, offset: int) -> str: ...

class Delete(_Request):
    def __init__(self, path: str, version: int) -> None: ...
    @classmethod
    def deserialize(cls, bytes: bytes, offset: int) -> bool: ...

class Exists(_Request):
    def __init__(self, path: str, watcher: object) -> None: ...
    @classmethod
    def deserialize(cls, bytes: bytes, offset: int) -> ZnodeStat | None: ...

class GetChildren(_Request):
    def __init__(self, path: str, watcher: object) -> None: ...
    @classmethod
    def deserialize(cls, bytes: bytes, offset: int) -> list[str]: ...

class GetData(_Request):
    def __init__(self, path: str, watcher: object) -> None: ...
    @classmethod
    def deserialize(cls, bytes: bytes, offset: int) -> tuple[bytes | None, ZnodeStat]: ...

class SetData(_Request):
    def __init__(self, path: str, data: bytes, version: int) -> None: ...
    @classmethod
    def deserialize(cls, bytes: bytes, offset: int) -> ZnodeStat: ...

class Sync(_Request):
    def __init__(self, path: str) -> None: ...
    @classmethod
    def deserialize(cls, buffer: bytes, offset: int) -> str: ...

class Transaction(_Request):
    def __init__(self, operations: Sequence[_Request]) -> None: ...
    @classmethod
    def deserialize(cls, bytes: bytes, offset: int) -> list[Any]: ...
