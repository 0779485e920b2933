"""Real parts on one machine: a ZooKeeper, supervisord nodes, a service, and an observer of all of them.

`zkelect demo` tells its story with them (story.py), and the tests build on the same parts (lab/). What is started here
dies with the process that started it, however that one ends (child.py).
"""
