from django.apps import AppConfig


class HubConfig(AppConfig):
    name = "hub"
    label = "hub"

    def ready(self) -> None:
        """Register the system checks, so that every command runs them first."""
        from hub import checks  # noqa: F401
