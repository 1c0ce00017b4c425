"""Scans that a model gave back to people: who reads which, and what they are told afterwards."""
