"""Data sets on disk: the TAU layout, and a demo world in that layout."""
