"""What the dashboard and a project's first page say: what waits, how far it is, what changed."""
