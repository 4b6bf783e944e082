"""Faults on purpose, and a checker that says what they have done to the data.

`simulator` is a provider that can be told to misbehave, `connector` reads it, `forks` works slices
in processes that may be killed, `tcp_chaos` spoils connections, `checker` compares what is stored
with what the provider has, `soak` does all of it at random. Nothing here is a test itself except
the files called test_.
"""
