"""One module per provider, found by name: adding one edits nothing that exists."""
