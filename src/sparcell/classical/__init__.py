"""Nuclei in one plane of a stain, without any file: strategies, their choice, uncertainty."""
