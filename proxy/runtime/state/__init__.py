"""What outlives every process: access tokens, service accounts, stored claims, policy history.

    place        where the database is, and a connection     cluster    the embedded one
    migrate      forward-only, `migrations/*.sql`            database   a pool that may be down
    secret_text  what is shown once, what is kept of it      login      read: who may log in
    register     write: create, rotate, revoke, list         admission  a proof becomes an Identity
    claims       claims that the operator keeps              history    policy loads
    journal      history, while the database may be away     revocation ends sessions that must end

A database of its own in a Postgres of its own: no process that runs a client's SQL may open it, and
no text of a client ever reaches it. Every statement here is a constant with typed parameters.
"""
