"""The Model Context Protocol server: an agent's tools over the gate.

It is a client of the gate like any other: every statement goes over the PostgreSQL protocol with
the caller's own token as the password, and the gate decides. Nothing here decides anything.
"""
