from django.apps import AppConfig


class ConnectConfig(AppConfig):
    name = "hub.connect"
    label = "connect"
    verbose_name = "Connecting"
