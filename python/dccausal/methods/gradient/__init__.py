"""Methods that look into the model: by gradients, class activation maps, relevance, and extremal masks."""
