"""How a model is made: a pure PyTorch training engine built on ``models_registry.inference``."""
