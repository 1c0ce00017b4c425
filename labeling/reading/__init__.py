"""Reading scans: labels, reviews, the queue, and labels that a model doubts."""
