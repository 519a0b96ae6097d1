"""Plain networks: tensors in, tensors out, no training code."""
