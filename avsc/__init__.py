"""Audio-visual scene classification as a reproducible pipeline."""
