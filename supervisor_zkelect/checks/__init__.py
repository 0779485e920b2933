"""Health checks: one probe of a service over HTTP, TCP or by a command."""
