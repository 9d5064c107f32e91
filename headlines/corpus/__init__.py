"""The labelled corpus: ingest, flags, tokens, training examples."""
