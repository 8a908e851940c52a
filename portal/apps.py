from django.apps import AppConfig
from django.conf import settings
from django.utils.translation import gettext_lazy as _


class PortalConfig(AppConfig):
    name = "portal"
    verbose_name = _("People and roles")

    def ready(self) -> None:
        from portal import checks  # noqa: F401  (registers what `manage.py check` asks)
        from portal.catalogue import compile_if_stale

        compile_if_stale(settings.BASE_DIR)
