"""Connections to providers: the contract, the engine that moves data, and how people ask for it."""
