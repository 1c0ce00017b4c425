"""Scans going out: ZIP files that an import can read."""
