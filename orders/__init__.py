"""What happened: merchants, clicks, order events and whose order it is."""
