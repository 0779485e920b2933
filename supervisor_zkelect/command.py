"""Where the program `zkelect` begins. The chain loader stands before every start of a service, so it imports no more than
it needs; everything else is `cli.py`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run one command; returns the exit status."""
    if sys.argv[1:2] == ["run"]:
        from supervisor_zkelect import runner

        return runner.main(sys.argv[2:])
    from supervisor_zkelect import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
