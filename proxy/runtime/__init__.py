"""The floor shared by the gate and the sidecars: audit log, keys, configuration, embedded clusters.

The one part of `proxy/` that a sidecar may import. It must not know SQL rewriting or policy
decisions.
"""
