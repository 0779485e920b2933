"""The text of a configuration file, for these tests."""

FILE = """[zkelect]
servers = zk1:2181,zk2:2181
node_name = a
{main}
[election:orders]
address = 10.0.0.5:80
{election}
{more}
"""


def text(main="", election="", more=""):
    return FILE.format(main=main, election=election, more=more)


def second(lines):
    return f"[election:billing]\naddress = b:1\ngroup = billing\n{lines}"
