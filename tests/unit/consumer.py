"""A program that uses an Elector, as `test_elector_types.py` has mypy read it. Nothing of it is run."""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import Callable, List, Optional, Tuple

from supervisor_zkelect import (
    BadArgument,
    ElectionError,
    Elector,
    Holder,
    Member,
    NotLeader,
    ProposalGone,
    Queue,
    Standing,
    TimedOut,
)
from supervisor_zkelect.discovery import AsyncPrimary, Known, Primary


def told(why: str) -> None:
    print(why)


def lead(servers: List[str], address: str) -> Optional[float]:
    with Elector.connect(
        servers, 10.0, "/o/election", "n", "/o/ack", digest=None, acl="open", separator="-", data=b"{}", election_state=None,
        lost=told,
    ) as elector:
        name: str = elector.create_proposal()
        adopted: Optional[str] = elector.adopt_proposal()
        standing: Standing = elector.try_be_leader()
        while not standing:
            why: str = standing.changed.result(10.0)
            print(name, adopted, why, standing.leads, standing.place + standing.candidates, standing.rival + standing.watching)
            standing = elector.try_be_leader(claiming=False)
        before: Optional[Holder] = elector.predecessor()
        holder = elector.claim("a", address) or before
        if holder is not None:
            print(holder.node + holder.address, holder.token + 1)
        elector.ack_leader(address)
        elector.ack_leader(address.encode())
        elector.repair(address, address)
        elector.clear_ack()
        proven: Optional[float] = elector.prove()
        print(elector.token, elector.proposal, elector.proposal_path, elector.session_id, elector.claimed, elector.acked_since)
        return elector.deadline if proven is None else proven - time.clock_gettime(time.CLOCK_BOOTTIME)


def look(elector: Elector) -> List[Tuple[str, int, bytes]]:
    members: List[Member] = elector.members()
    found: Queue = elector.look_at_queue()
    elector.glance_at_queue(lambda: told(found.rival + found.trouble))
    holder, ack, changed = elector.watch_term()
    future: Future[str] = changed
    known: object = members[0].info.get("node")
    print(elector.others() + 1, ack.decode(), future.done(), known, members[0].node + members[0].address, holder)
    print(elector.holder(), elector.taken_by() + "", elector.read_ack() + elector.history())
    elector.amend_history(lambda old: old + b" ", 1.0)
    return [(one.name, one.token + one.session + one.sequence, one.data) for one in elector.each_member() if not one.mine]


def work() -> int:
    return 5


def whole_terms(elector: Elector) -> int:
    try:
        standing: Standing = elector.wait_to_lead(timeout=5.0)
        print(bool(standing), repr(elector))
        return elector.run(work) + elector.run(lambda: 6, 5.0)
    except (NotLeader, TimedOut, ProposalGone) as error:
        print(str(error))
    except BadArgument as error:
        value_error: ValueError = error
        print(value_error)
    except ElectionError as error:
        print(error)
    finally:
        elector.step_behind()
        elector.describe(b"")
        elector.withdraw()
        elector.forget()
        elector.prepare()
        elector.release(dirty=False)
        elector.close()
    return 0


def moved(known: Known) -> None:
    token: Optional[int] = known.token
    print(known.address + known.node, token)


def find(servers: str) -> str:
    with Primary(servers, "orders", moved, root="/zkelect", session_timeout=10.0, digest=None, tls=False) as primary:
        known: Known = primary.wait(5.0, after=primary.known, max_age=1.0)
        age: Optional[float] = primary.age
        for each in primary.changes():
            return each.address + known.address + primary.trouble + str(age)
        return primary.address or str(primary.token)


async def find_later(servers: List[str]) -> str:
    async with AsyncPrimary(servers, "orders", moved, election_ack="/a") as primary:
        known: Known = await primary.wait(5.0)
        async for each in primary.changes():
            return each.address + known.address
        return primary.address or ""


class Ours(Elector):
    """Whose `connect` makes one of its own kind."""

    def hello(self) -> str:
        return self.election_znode + self.election_ack + self.election_state + self.holder_znode + self.history_znode


calls: List[Callable[[Elector], object]] = [look, whole_terms]
finders: Tuple[object, object] = (find, find_later)
print(Ours.connect("h:1", 4.0, "/e", "n", "/a").hello(), calls, len(finders))
