"""Evaluations: measuring a version on scans it has never seen."""
