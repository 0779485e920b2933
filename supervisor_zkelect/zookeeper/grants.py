"""What the servers grant a client of kazoo's, which keeps only what it has asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Optional

from kazoo.protocol.serialization import Connect

from supervisor_zkelect.system.clock import now

if TYPE_CHECKING:
    from kazoo.client import KazooClient


def watch(client: KazooClient, granted: Callable[[float, float, int], None]) -> None:
    """Have `granted` called with each connect request that was granted: when it was sent, the session's timeout in seconds, and
    its id. To be asked before the client is started. Only kazoo's connection thread comes here."""
    invoke = client._connection._invoke

    def noting(timeout: float, request: Any, xid: Optional[int] = None) -> Any:
        sent = now()
        answer = invoke(timeout, request, xid)
        if isinstance(request, Connect) and answer[0].time_out > 0:
            granted(sent, answer[0].time_out / 1000.0, answer[0].session_id)
        return answer

    client._connection._invoke = noting
