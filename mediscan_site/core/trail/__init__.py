"""What makes the audit trail trustworthy: MACs of its writers, the check of the chain, triggers that keep it, anchors outside."""
