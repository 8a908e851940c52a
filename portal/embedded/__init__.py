"""Django's PostgreSQL backend, which brings up the embedded server when a connection finds none."""
