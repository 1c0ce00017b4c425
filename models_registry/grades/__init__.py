"""Grades: what the deployed version says about a scan, and what doctors say about that."""
