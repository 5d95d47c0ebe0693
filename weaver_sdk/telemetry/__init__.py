"""Measures, reports and timelines, computed from what a run recorded."""
