"""A training run as a process of its own: what the worker starts, what the child does, and what they leave behind."""
