"""What a model is and what it says: bundles, preprocessing, prediction, calibration and metrics, free of any web framework."""
