"""Side effects that a guard requests (`guard.py`); their outcomes come back as calls of the guard."""

from __future__ import annotations

from typing import Any, Dict, List, Protocol


class GuardEffects(Protocol):
    """The port of a guard. Nothing here waits."""

    def tell(self, message: Any) -> None:
        """Send a message of `protocol.TO_LISTENER` to the listener that is there."""

    def kill_listener(self) -> None:
        """Kill the listener and end the conversation; `listener_gone` follows."""

    def take_lock(self) -> bool:
        """Take the session's lock. False while somebody else has it."""

    def give_lock_back(self) -> None: ...

    def expect_programs(self, expected: bool) -> None:
        """Announce that programs will register within some hundredths of a second, or not any more."""

    def keep(self, terms: Dict[str, int], attach: bool) -> None:
        """Renew the leases of these groups, and of no others, from now on, by the tokens of their terms; the keeper's answers
        follow (`keeper_said`). Without any the keeper leaves the session alone.

        attach: whether it may attach to the session, which takes that from a listener that has.
        """

    def ask_for_listener(self) -> None:
        """Ask supervisord for the state of the listener's process; `listener_state` follows."""

    def session_groups(self) -> List[str]:
        """The groups of all elections that the saved session may have a proposal in, and a release would give up."""

    def release(self, ended: Dict[str, Dict[str, Any]]) -> None:
        """Release the session; `keeper_said` follows. Raises OSError when that cannot be begun.

        ended: of each group whose term the guard ended, the "token", "why", and when it was "noticed" and proven "dead"
            in seconds since the epoch, for the history of terms.
        """

    def call(self, command: List[str], seconds: float, variables: Dict[str, str]) -> None:
        """Run an operator's command, for so long at most, and log how it ended."""
