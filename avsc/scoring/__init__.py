"""Scores: metrics of aligned arrays, the two test protocols on top of them, and of tags."""
