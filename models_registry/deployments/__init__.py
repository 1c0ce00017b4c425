"""Deployments: the gate, and the one version of a project that answers."""
