"""What an operator asks and orders, from `zkelect` and from supervisorctl."""
