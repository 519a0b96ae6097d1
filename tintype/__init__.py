"""Tintype: colour for black-and-white pictures, and a fair comparison of ways to learn it."""

__version__ = "0.1.0"
