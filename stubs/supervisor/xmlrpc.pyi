class Faults:
    BAD_ARGUMENTS: int
    BAD_NAME: int
    FAILED: int
    INCORRECT_PARAMETERS: int
    NOT_RUNNING: int
    SHUTDOWN_STATE: int

class RPCError(Exception):
    code: int
    text: str
    def __init__(self, code: int, extra: str | None = None) -> None: ...
