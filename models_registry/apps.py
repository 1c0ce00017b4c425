from importlib import import_module

from django.apps import AppConfig


class ModelsRegistryConfig(AppConfig):
    name = "models_registry"

    def ready(self) -> None:
        # They register what is removed when a scan is erased, what damage means, and which task does the work of a row.
        import_module("models_registry.erasure")
        import_module("models_registry.deployments.bundles")
        import_module("models_registry.tasks")
