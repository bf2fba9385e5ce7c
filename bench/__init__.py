"""How fast the gate is: always a ratio against a peer of the same run. See README.md."""
