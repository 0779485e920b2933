"""Active/passive service groups under supervisord, elected through ZooKeeper."""

__version__ = "0.1.0"
