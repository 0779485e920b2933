"""The subjects of `check`: the file, supervisord's programs, this machine, ZooKeeper."""
