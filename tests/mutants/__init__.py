"""Mutation testing of the core, of the record, of the loader's decision and of the guard's rules.

mutmut makes the mutants: each function once for each small fault, all in one file, of which an environment variable chooses one.
`judge.py` runs the tests on them, `survivors.py` reads the list of those that no test can kill or has to.
"""
