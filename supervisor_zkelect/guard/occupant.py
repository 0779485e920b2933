"""Whether a runtime folder is another living supervisord's: two may have been given one, or the same URL.

The guard of each would take the other's groups for those of a supervisord that is no more. So whoever comes second leaves the
folder alone, and says so.
"""

from __future__ import annotations

from supervisor_zkelect.core.lease import NO_LEASE
from supervisor_zkelect.guard import locks, record
from supervisor_zkelect.processes import proc
from supervisor_zkelect.system import reserve


def of(folder: str, owner: record.Owner) -> str:
    """Why the folder is not `owner`'s, in one line; "" where nobody else is known to use it: by its record, and by its guard or
    by a lease in it, as a supervisord may live on that has no listener any more. Raises OSError, and MemoryError, where that can
    be told a moment later."""
    try:
        other = record.named_owner(folder)
        here = (other.boot, other.namespace) == (owner.boot, owner.namespace)
        if other == owner or not here or proc.find(other.pid, other.start) is None:
            return ""
        used = locks.is_there(folder, locks.GUARD) or any(one.lease != NO_LEASE for one in record.read(folder, other))
    except record.RecordError as error:
        reserve.unless_short(error)
        return ""
    if not used:
        return ""
    return (
        f"{folder} belongs to another supervisord, process {other.pid}, which lives; give each an address of its own in "
        f"[unix_http_server] or [inet_http_server], or a {record.VARIABLE} of its own in its environment"
    )
