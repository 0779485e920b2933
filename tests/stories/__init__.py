"""Stories: a command, and below it what one to three nodes do then. README.md says how to read, run and add one.

    script.py      the text of a story: commands, comments, and what stands below each command
    cluster.py     the nodes: the real listener, guard and release of the simulation, without chance
    commands.py    what befalls them
    journal.py     what the nodes do, in words
    arithmetic.py  the commands of a lease alone: requests, answers, and until when a group may run
    faults.py      faults that must turn a story red
    __main__.py    `python -m tests.stories [--rewrite] [FILE ...]`
"""
