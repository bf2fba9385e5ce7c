"""Postgres protocol version 3 (3.0 and 3.2), both roles: bytes in, messages out.

    errors      the tree of failures        limits    every limit, with its unit
    buffer      bytes into frames           body      the inside of a message
    message     whose message a class is
    frontend    what a client sends         (frontend_start: before the session)
    backend     what a server sends         (backend_start, backend_report: errors and notices)
    batch       rows and COPY data left in their frames
    phase       which message may come when: tables
    protocol    ServerProtocol and ClientProtocol: the two roles
    startup     versions, startup parameters, the answer to SSLRequest
    scram       SCRAM-SHA-256 and -PLUS     (verifier: what a server stores; channel_binding)
    types       OIDs, sizes, text and binary forms, literals   (type_*: one file per family)
    trace       one readable line per message

Standard library only. No socket, no clock, no randomness, no logging, nothing else of this
project: nonces and keys are arguments. A message encodes and decodes, so the same classes serve
the gate, its sources, the tracer, the fuzzers, and the scripted peers of the tests.
"""
