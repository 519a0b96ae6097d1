"""Where pictures come from: one source per file."""
