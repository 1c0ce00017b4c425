"""Looking into versions: what a person is told of one first, what every cut-off gives, the scans behind each figure, and two
versions beside one another. Reads what evaluations kept; no model answers anything for it, so no reading of a test is counted."""
