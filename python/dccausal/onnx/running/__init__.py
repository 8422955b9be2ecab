"""ONNX Runtime: the device, the session, runs at once, the size of a batch."""
