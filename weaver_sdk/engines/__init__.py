"""Servers that the package starts itself, and the models that come with it."""
