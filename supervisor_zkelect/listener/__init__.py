"""The event listener: one queue, one deciding thread, and the work that runs beside it."""
