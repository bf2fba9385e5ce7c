"""Sources: a `Fragment` in, a stream of row bytes out.

    base          what every source promises: Source, SourceConnection, RowStream, Arguments
    pool          bounded pool with fair waiting, for any kind of connection
    backoff       how long to wait before the next try
    credential    where a password comes from; never printable
    condition     a source's error, edited before anyone sees it (I9)
    postgres      the Postgres source: fail-over, pool, health, state

    postgres_options      how to reach it
    postgres_channel      one socket, back-pressure
    postgres_dial         address, TLS
    postgres_login        startup, SCRAM
    postgres_conversation what is owed, in order
    postgres_pins         settings, and their watch
    postgres_command      our own constant texts
    postgres_statement    prepared statements
    postgres_backend      one server process
    postgres_connection   one checkout of it
    postgres_portal       limits of a portal
    postgres_opening      the messages that make it
    postgres_stream       rows of one Execute
    postgres_copy         data of one COPY
    postgres_role         what our role may do

Nothing here decides policy. INVARIANT I1: no method takes SQL text from outside; a `Fragment` is
the only door, and the source's own few statements are constants of this package.
"""
