from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"
    verbose_name = "Integrations"

    def ready(self) -> None:
        """Register every connector, so that a broken module is named at start and not at night."""
        from django.conf import settings

        from integrations.connectors import registry

        registry.load(settings.HUB_CONNECTOR_MODULES)
