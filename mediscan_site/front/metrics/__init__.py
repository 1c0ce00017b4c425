"""What Prometheus is told. Counters and histograms are added up over the web processes of one machine; gauges, and all that
workers did, are read at each scrape from the database and the disk, which every web process sees alike."""
