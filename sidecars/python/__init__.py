"""The Python runner: an AI's programs in a sealed WebAssembly sandbox, as the person who asked.

It must not know SQL; data comes through the gate, with the caller's own token.
"""
