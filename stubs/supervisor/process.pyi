from typing import Any

class EventListenerPool:
    processes: dict[str, Any]
