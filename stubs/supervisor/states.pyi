class ProcessStates:
    STOPPED: int
    STARTING: int
    RUNNING: int
    BACKOFF: int
    FATAL: int

class SupervisorStates:
    RUNNING: int

def getProcessStateDescription(code: int) -> str: ...
