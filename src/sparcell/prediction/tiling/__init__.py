"""Images larger than a network's window: tiles, test-time augmentation, sizes, stitching."""
