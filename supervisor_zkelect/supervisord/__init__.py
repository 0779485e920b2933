"""supervisord from outside: its XML-RPC, its events, and how its programs end."""
