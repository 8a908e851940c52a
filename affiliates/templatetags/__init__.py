"""Tags for templates about affiliates."""
