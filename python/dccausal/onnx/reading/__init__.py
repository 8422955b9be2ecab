"""What a model and the files beside it say of its input, its output and its preprocessing."""
