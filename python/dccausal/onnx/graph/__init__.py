"""Graphs in ONNX's own format, read and written without the package onnx."""
