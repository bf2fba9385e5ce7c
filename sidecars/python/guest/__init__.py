"""What runs inside the sandbox. It is frozen into the artifact: changes need `make runner`.

This package must not know the host beyond the two functions of `sandbox.wit`.
"""
