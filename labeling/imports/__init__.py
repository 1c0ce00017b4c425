"""Scans coming in: single files, ZIP data sets, resumable uploads, watched folders."""
