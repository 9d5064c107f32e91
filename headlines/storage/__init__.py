"""Artifacts and small documents in a data root: layout, manifest, publishing, lineage."""
