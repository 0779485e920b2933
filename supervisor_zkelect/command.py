"""Where the program `zkelect` begins. The chain loader stands before every start of a service, so it imports no more than
it needs, and a listener holds the session's lock before it imports the rest; everything else is `operators/cli.py`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run one command; returns the exit status."""
    if sys.argv[1:2] == ["run"]:
        from supervisor_zkelect.loader import run

        return run.main(sys.argv[2:])
    if sys.argv[1:2] == ["listen"]:
        from supervisor_zkelect.guard import locks

        locks.take_early()
    if sys.argv[1:2] == ["__complete"]:
        from supervisor_zkelect.operators import completion

        return completion.main(sys.argv[2:])
    from supervisor_zkelect.operators import cli

    if sys.argv[1:2] == ["http"]:
        from supervisor_zkelect.web import program

        return cli.main(http=program.run)
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
