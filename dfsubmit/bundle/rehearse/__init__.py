"""A bundle → a report on how it runs under the server's rules."""
