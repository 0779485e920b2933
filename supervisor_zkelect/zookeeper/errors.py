"""The errors of an election; each says what to do."""


class ElectionError(Exception):
    """Base of all that an Elector raises."""


class NotLeader(ElectionError):
    """This node's proposal is not the lowest, so it may not write. Wait for `changed`, then ask again."""


class AnotherElection(ElectionError):
    """Another election uses this one's znodes; the message says which, and what to do."""


class Barred(ElectionError):
    """An operator's order keeps this node from leading, or what they ordered cannot be read; the message says which, and what to
    do. Leave the queue, and ask again when the control znode has changed."""


class ProposalGone(ElectionError):
    """This node has no proposal (any more). Whoever was primary by it must stop; then `create_proposal` again."""


class SessionGone(ElectionError):
    """The ZooKeeper session expired, and its proposal with it. `create_proposal` makes one in the next session."""


class NotConnected(ElectionError):
    """No ZooKeeper server could be reached, or the connection was lost before the answer. Ask again later."""


class TimedOut(ElectionError):
    """ZooKeeper did not answer within the time limit; what was asked may still happen. Look, then ask again."""


def in_short(error: ElectionError) -> str:
    """An error for whoever only wants to see something, and need not know at which request ZooKeeper fell silent."""
    if isinstance(error, TimedOut):
        return "ZooKeeper did not answer in time"
    return "there is no connection to ZooKeeper" if isinstance(error, (NotConnected, SessionGone)) else str(error)


def silent(error: ElectionError) -> bool:
    """Whether ZooKeeper gave no answer, so that nothing is known."""
    return isinstance(error, (TimedOut, NotConnected, SessionGone))


class AccessDenied(ElectionError):
    """The credentials are refused, or the ACL of a znode forbids it. Correct the credentials or the ACL."""


class BadArgument(ElectionError, ValueError):
    """An argument cannot be right; the message says what would be."""


class ZooKeeperFailed(ElectionError):
    """ZooKeeper refused for another reason, which the message carries."""
