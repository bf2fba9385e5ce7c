"""Text in, guarded plan out; pure (no `async`, no network, no clock).

parse      str -> Statement          Postgres' own grammar, limits first
classify   Statement -> Classified   allow-list over the whole tree: kinds, nodes, functions, types
bind       Classified -> Bound       names resolved by us against what the principal may see
guard      Bound -> Rewritten        relations become filtered and masked subqueries; the fence
verify     Rewritten -> Verified     parses the printed text again and walks it by different rules
plan       Verified -> Plan          the only place that constructs a Fragment
"""
