"""Self-contained HTML reports: of a training, of an evaluation, of a night."""
