from importlib import import_module

from django.apps import AppConfig


class ModelsRegistryConfig(AppConfig):
    name = "models_registry"

    def ready(self) -> None:
        # They register what is removed when a scan is erased, what damage means, which task does the work of a row, what a
        # decision about a referred scan ends, what follows when a new scan comes in, and whether it gets its view for learning,
        # and what is counted.
        import_module("models_registry.erasure")
        import_module("models_registry.deployments.bundles")
        import_module("models_registry.tasks")
        import_module("models_registry.grades.referrals")
        import_module("models_registry.batches.arrivals")
        import_module("models_registry.seeing")
        import_module("models_registry.counts")
