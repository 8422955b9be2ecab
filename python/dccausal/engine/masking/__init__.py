"""Masked images: made in the host's memory or on the device."""
