"""What TensorRT and TensorRT for RTX have in common: their Python interface is the same but for a few names."""
