"""Reads CUDA's headers and writes the Cython bindings; development only, never installed."""
