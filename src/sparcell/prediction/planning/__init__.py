"""Before a prediction: what it needs, and what is refused."""
