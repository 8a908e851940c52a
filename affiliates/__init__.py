"""Who earns: affiliates, their channels, PIDs and preferences."""
