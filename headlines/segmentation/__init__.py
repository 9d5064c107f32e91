"""Cuts Chinese text into words: `segment` for one call, `Segmenter` to reuse a choice."""

from headlines.segmentation.segmenter import Segmenter, compatible, describe, segment, tag
from headlines.segmentation.text_list import item_list, text_list

__all__ = ["Segmenter", "compatible", "describe", "item_list", "segment", "tag", "text_list"]
