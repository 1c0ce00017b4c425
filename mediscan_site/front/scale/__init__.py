"""A site with very many rows, to try what many rows do to it: `manage.py seed_scale`."""
