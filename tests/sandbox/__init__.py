"""What callers may expect of the sandbox, asked over HTTP."""
