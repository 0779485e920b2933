"""Whether a runtime folder is another living supervisord's: two may have been given one, or the same URL.

The guard of each would take the other's groups for those of a supervisord that is no more. So whoever comes second leaves the
folder alone, and says so.
"""

from __future__ import annotations

from supervisor_zkelect.guard import record
from supervisor_zkelect.processes import proc


def of(folder: str, owner: record.Owner) -> str:
    """Why the folder is not `owner`'s, in one line; "" where nobody else is known to have it. By the record: a folder without one
    is free."""
    try:
        other = record.named_owner(folder)
    except record.RecordError:
        return ""
    here = (other.boot, other.namespace) == (owner.boot, owner.namespace)
    if other == owner or not here or proc.find(other.pid, other.start) is None:
        return ""
    return (
        f"{folder} belongs to another supervisord, process {other.pid}, which lives; give each an address of its own in "
        f"[unix_http_server] or [inet_http_server], or a {record.VARIABLE} of its own in its environment"
    )
