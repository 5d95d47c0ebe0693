"""Whole answers, and what they take: the same 36 questions asked in four ways, side by side."""
