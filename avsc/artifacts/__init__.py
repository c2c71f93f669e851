"""Readers and writers, one module for each kind of file that passes between two stages."""
