"""Clock, files, logs, reserves and threads: what the operating system gives to any program."""
