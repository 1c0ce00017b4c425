from importlib import import_module

from django.apps import AppConfig


class ModelsRegistryConfig(AppConfig):
    name = "models_registry"

    def ready(self) -> None:
        # Registers what goes when a scan is erased.
        import_module("models_registry.erasure")
