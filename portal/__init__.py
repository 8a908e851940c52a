"""The project and the shell that every room opens from: settings, users, money, errors, layout, test kit."""

from portal.celery import app as celery_app

__all__ = ["celery_app"]
