"""The faults that befall the node that serves. The letters are those of the issue; a word after one tells a variant of it."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import Dict, List, NamedTuple


class Fault(NamedTuple):
    """what: in words. holds: it lasts so many T and is undone then; 0 is a blow. ours: only for this plugin."""

    what: str
    holds: float = 0.0
    ours: bool = False


FAULTS: Dict[str, Fault] = {
    "A": Fault("the service is killed"),
    "B": Fault("all of the node's processes are killed; of this plugin's, all but the guard"),
    "B-guard": Fault("the same, and the guard too", ours=True),
    "C": Fault("SIGTERM to the agent; with this plugin, to supervisord"),
    "C-resign": Fault("the node is told to resign", ours=True),
    "D": Fault("the node is cut off from the coordinator for 3 T, or until another serves alone", holds=3.0),
    "E": Fault("the agent is frozen for 3 T; with this plugin, the listener", holds=3.0),
    "E-supervisord": Fault("supervisord is frozen for 3 T", holds=3.0, ours=True),
    "F": Fault("the agent is killed; with this plugin, the listener"),
    "Z": Fault("the coordinator is restarted"),
    "Z-leader": Fault("of three ZooKeepers, the leader is killed", ours=True),
    "Z-away": Fault("the coordinator is frozen for 0.3 T", holds=0.3),
}


def chosen(text: str) -> List[str]:
    """The faults of a list such as "A,B,C-resign"; a letter alone means its variants too. Raises
    argparse.ArgumentTypeError."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in FAULTS]
    if unknown or not names:
        raise ArgumentTypeError(f"unknown: {', '.join(unknown) or 'nothing'}; write some of {','.join(FAULTS)}")
    return [fault for fault in FAULTS if fault in names or fault.partition("-")[0] in names]
