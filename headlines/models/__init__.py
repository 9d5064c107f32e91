"""Model versions: registry, champion, presets, model card."""
