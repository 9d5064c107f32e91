"""Cuts Chinese text into words: `segment` for one call, `Segmenter` for a choice made once."""

from headlines.segmentation.segmenter import Segmenter, compatible, describe, segment, tag

__all__ = ["Segmenter", "compatible", "describe", "segment", "tag"]
