"""What happens to pixels before a network sees them."""
