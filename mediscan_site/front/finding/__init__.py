"""Finding things without walking: one search over the site, and the palette of the keyboard."""
