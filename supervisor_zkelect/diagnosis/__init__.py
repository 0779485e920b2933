"""What `check` looks at: the file, supervisord's programs, this machine, ZooKeeper."""
