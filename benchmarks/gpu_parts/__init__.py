"""Parts of `python -m benchmarks.gpu`."""
