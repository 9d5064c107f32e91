"""Evaluation of models: metrics on held-out rows, baseline, behaviour checks, promotion."""
