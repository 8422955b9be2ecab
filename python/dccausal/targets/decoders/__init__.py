"""From a model's raw outputs to boxes, maps of labels and embeddings: a decoder for each family of exports."""
