"""The tests compute with one thread each: several processes of them share the machine."""

import os

import coursework  # noqa: F401 - before nbformat, so that it need not build a slow grammar

# OpenBLAS reads it when NumPy is imported first. Kernels, servers and rooms inherit it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
