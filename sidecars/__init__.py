"""Small services beside the gate, one folder each.

A sidecar asks `policies/` the gate's questions about something else than SQL and writes the same
audit records. It meets the gate over the wire, never by import (`tests/test_architecture.py`).
"""
