"""The policy floor: who asks, which rule answers, what may be seen.

    secret     a value without a printable form
    errors     every way this floor refuses
    claims     typed attributes of a principal: JSON in, Postgres parameter text out
    keyset     public keys that tokens are verified with
    token      a signed token becomes a verified payload
    identity   a verified payload becomes an Identity
    expression, literal, vocabulary, predicate   the SQL subset that conditions are written in
    keyed, mask               named, total, typed transformations of a column
    window, rule              tables, columns, grants, restrictions, denials
    document, declare, load   YAML files become a PolicySet, or problems with line numbers
    model      what a decision looks like
    combine    many rules, one decision: the combination rule
    decide     PolicySet: Identity and relation in, RelationDecision out
    check      a PolicySet against a live schema
    record     what explain, describe and the audit log say about a decision
    case       the tests that are written beside the rules

Floor 0: no sockets, no clock (times are arguments, in unix seconds), no randomness, no logging, no
`async`; only `load` reads files. It must not know the gate, the wire protocol or any source.
"""
