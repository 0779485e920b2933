from typing import Any, TextIO

class ClientOptions:
    stdout: TextIO
    stderr: TextIO
    configfile: str | None
    serverurl: str
    username: str | None
    password: str | None
    def realize(self, args: list[str], doc: str) -> None: ...
    def get_plugins(self, parser: Any, factory_key: str, section_prefix: str) -> list[Any]: ...
