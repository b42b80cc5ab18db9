"""tinytorch beside its peers, on the same float32 weights."""
