"""What a night works on and reports: inbox, archive, history, report."""
