"""Real parts on one machine: ZooKeepers, supervisord nodes, a service, an observer, a network to cut.

`zkelect demo` tells its story with them (story.py), and the tests under tests/system are built of the same
parts. What is started here dies with the process that started it, however that one ends (child.py).
"""
