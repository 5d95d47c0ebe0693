"""weaver-sdk: make a language model think in parallel."""

__version__ = "0.1.0"
