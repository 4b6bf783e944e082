"""How the hub speaks to the outside: one door out, one client, one JSON reader, page styles."""
