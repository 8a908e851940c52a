"""Tracking links as they are followed."""
