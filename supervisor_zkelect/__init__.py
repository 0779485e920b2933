"""Active/passive service groups under supervisord, elected through ZooKeeper.

`Elector`, `Standing` and what they raise are had from here too: `from supervisor_zkelect import Elector`.
"""

# Type checkers take the names from elector.py as those of `__all__`.
# ruff: noqa: F403, F405

__version__ = "0.1.0"

# Each part of the plugin imports this package, and few of them an elector: it is imported when somebody asks for it. Type
# checkers take this name for true, and importing it from typing would cost more than all of this module.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor_zkelect.elector import *
else:
    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from supervisor_zkelect import elector

        return getattr(elector, name)

__all__ = [
    "AccessDenied", "AnotherElection", "BadArgument", "Barred", "ElectionError", "Elector", "Holder", "Member", "NotBegun",
    "NotConnected", "NotLeader", "ProposalGone", "Queue", "SessionGone", "Standing", "Stays", "TimedOut", "ZooKeeperFailed",
]


def __dir__() -> "list[str]":
    return sorted({*globals(), *__all__})
