from typing import Any

class ControllerPluginBase:
    name: str
    ctl: Any
    def __init__(self, controller: Any) -> None: ...
    def do_help(self, arg: str) -> None: ...
