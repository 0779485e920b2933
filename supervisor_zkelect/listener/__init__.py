"""The event listener: one queue, one deciding thread, and the work that it hands to others."""
