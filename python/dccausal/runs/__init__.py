"""Folders of photographs: what is done, what is left, one table."""
