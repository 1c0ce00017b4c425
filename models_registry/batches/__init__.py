"""Grading many stored scans: a selection, the scans of a filter, an import, or what has just come in."""
