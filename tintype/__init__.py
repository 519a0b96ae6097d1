"""Tintype: colour for black-and-white pictures, and a fair comparison of ways to learn it."""

import os

# ONNX Runtime would tell its makers about the machine; it reads this when it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"
