"""The options of the commands: what they are called, what they may be, where they come from."""
