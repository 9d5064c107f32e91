"""Cuts Chinese text into words: `segment` for one call, `Segmenter` for a choice made once."""

from headlines.segmentation.segmenter import Segmenter, described, same_words, segment, tag

__all__ = ["Segmenter", "described", "same_words", "segment", "tag"]
