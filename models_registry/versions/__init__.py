"""Model versions: their bundle, card, confidence, lineage, and loading them to serve."""
