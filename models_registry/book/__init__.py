"""The laboratory book: versions mirrored into MLflow, and what MLflow can serve."""
