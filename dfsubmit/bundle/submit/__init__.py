"""A rehearsed bundle → the server, and a ledger of what was sent."""
