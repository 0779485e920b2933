"""The configuration file, read into settings, and what must hold between them."""
