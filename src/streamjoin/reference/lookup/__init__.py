"""References whose items are fetched for each batch, instead of being kept."""
