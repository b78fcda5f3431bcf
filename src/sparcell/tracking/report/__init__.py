"""The page `tracks.html`: growth, lineages, shifts, counts, and the links to check."""
