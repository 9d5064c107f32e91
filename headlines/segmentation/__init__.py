"""Cuts Chinese text into words: `segment` for one call, `Segmenter` to reuse a choice."""

from headlines.segmentation.segmenter import Segmenter, compatible, describe, segment, tag

__all__ = ["Segmenter", "compatible", "describe", "segment", "tag"]
