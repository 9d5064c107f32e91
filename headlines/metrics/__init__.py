"""Metrics over labels and probabilities."""
