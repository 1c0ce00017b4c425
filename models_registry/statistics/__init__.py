"""The figures of a model and how sure they are: pure NumPy and SciPy, no Django."""
