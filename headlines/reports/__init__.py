"""A toolkit for self-contained HTML reports: templates, charts and CSV tables."""
