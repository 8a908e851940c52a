"""Refusals that people read.

Every operation that refuses raises a `DomainError` subclass of the app that refuses. It is translated in
exactly four places: a form, the API's exception handler, an admin message, a task's log line.
"""

from django.utils.functional import Promise


class DomainError(Exception):
    """A refusal with a stable `code` for machines and a translated `message` for people."""

    code = "refused"
    # What the API answers with: the request reads well, but what it asks for can't be done.
    status = 409

    def __init__(
        self, message: "str | Promise", *, code: str | None = None, field: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        if code is not None:
            self.code = code
