"""Scoring of batches: read into chunks, score, commit."""
