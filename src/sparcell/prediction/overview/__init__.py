"""Pictures of the results of a prediction, and a page with all of them."""
