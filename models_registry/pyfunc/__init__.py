"""What `mlflow models serve` runs beside a bundle. The site never imports it, and never loads a model through MLflow."""
