"""The rules, pure: no clock, no thread, no input or output. It imports nothing but itself."""
