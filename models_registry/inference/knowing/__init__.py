"""Whether a scan is one that the version can know: rules that need no statistic, then the distance from what it has learned."""
