"""Grades: what the deployed version says of a scan, and what doctors say of that."""
