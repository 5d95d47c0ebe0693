"""Servers that we start ourselves, and the models that are packaged for them."""
