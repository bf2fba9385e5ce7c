"""Every limit of the wire layer: a name, a unit, and where the number comes from.

This file must not know how a limit is enforced. Lengths of messages are the protocol's own length
field: the body and the four bytes of the field itself, without the type byte.
"""

from __future__ import annotations

from typing import Final

# PostgreSQL's MAX_STARTUP_PACKET_LENGTH (src/include/libpq/pqcomm.h).
STARTUP_PACKET_BYTES_MAX: Final = 10_000

# Postgres allows 65,535 (PG_MAX_AUTH_TOKEN_LENGTH). A JWT with many claims reaches 8 kB; twice
# that.
PASSWORD_MESSAGE_BYTES_MAX: Final = 16 * 1024

# A SCRAM message is a nonce, a salt and a proof: under 300 bytes. Same class as a startup packet.
SASL_MESSAGE_BYTES_MAX: Final = 10_000

# Messages that hold a name or nothing (PQ_SMALL_MESSAGE_LIMIT in src/include/libpq/libpq.h).
SMALL_MESSAGE_BYTES_MAX: Final = 10_000

# Query, Parse, Bind, CopyData, and all of a server's messages. Postgres allows 1 GiB; one client
# that sends that much would hold the memory of everybody else. Configurable per protocol object.
MESSAGE_BYTES_MAX: Final = 64 * 1024 * 1024

# What an unauthenticated server may send in one message: libpq's MAX_ERRLEN (fe-connect.c).
BACKEND_MESSAGE_BYTES_MAX_BEFORE_AUTHENTICATION: Final = 30_000

# What may lie unread behind a message of the largest size: several reads of a transport
# (256 KiB in asyncio and uvloop). Whoever feeds must pause reading before this.
PENDING_BYTES_SLACK: Final = 4 * 1024 * 1024

# What an unauthenticated client may leave unread. It has nothing to say ahead of its turn, and one
# password message is the most it may send at once.
PENDING_BYTES_MAX_BEFORE_AUTHENTICATION: Final = 2 * PASSWORD_MESSAGE_BYTES_MAX

# Names of statements and portals. Drivers use under 70 bytes; a name is kept for the session.
NAME_BYTES_MAX: Final = 1_024

# Drivers send 4 to 10 keys; pgjdbc the most.
STARTUP_PARAMETERS_MAX: Final = 64

# The counts are unsigned 16-bit numbers in the protocol.
PARAMETERS_MAX: Final = 65_535
COLUMNS_MAX: Final = 65_535

# Protocol 3.2: "The secret key's length is between 4 and 256 bytes" (docs, §54.2).
CANCEL_KEY_BYTES_MIN: Final = 4
CANCEL_KEY_BYTES_MAX: Final = 256

# Notices, notifications and parameter reports between two ReadyForQuery. A server that sends more
# without finishing is treated as hostile.
ASYNCHRONOUS_MESSAGES_MAX: Final = 10_000

# PBKDF2 rounds. RFC 7677 §4 asks for at least 4,096, the default of Postgres; one million takes
# about half a second of a core, which is as much as a hostile server may cost us.
SCRAM_ITERATIONS_MIN: Final = 4_096
SCRAM_ITERATIONS_MAX: Final = 1_000_000
# Postgres uses 18 random bytes for a nonce and 16 for a salt.
SCRAM_NONCE_BYTES_MIN: Final = 18
SCRAM_SALT_BYTES_MIN: Final = 8
SCRAM_SALT_BYTES_MAX: Final = 1_024
# Longest password hashed. PBKDF2 hashes a longer key once, so this bounds SASLprep's work.
SCRAM_PASSWORD_CHARACTERS_MAX: Final = 16 * 1024

# Text made from one binary value. 8 bytes of numeric print as 131,072 digits, so an array of them
# multiplies its size; Postgres itself refuses a text of 1 GiB.
VALUE_TEXT_CHARACTERS_MAX: Final = 64 * 1024 * 1024
