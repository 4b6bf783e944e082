"""Where records are written. Each destination takes batches and keeps its own checkpoint."""
