"""Data sets: which scans a training may use, frozen under a content hash."""
