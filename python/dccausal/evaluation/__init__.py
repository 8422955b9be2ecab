"""Methods measured over photographs of which the truth is known."""
