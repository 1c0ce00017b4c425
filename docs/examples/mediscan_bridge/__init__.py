"""The parts of `bridge.py`, which stands beside this folder. Nothing here needs more than Python itself."""
