"""Watching a version where it is used: without labels (streams, looks, alarms), and with them (blind reads)."""
