"""Very large images: blocks that several processes predict, and the files they share."""
