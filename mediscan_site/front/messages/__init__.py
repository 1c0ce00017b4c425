"""What people are told about several apps: who tells whom, and where they read it."""
