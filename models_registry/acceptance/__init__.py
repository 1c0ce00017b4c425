"""Acceptance tests: how well a version reads the scans of a place it has not learned from, and whether it may answer there."""
