"""Mutants of the guard and the verifier: each removes or inverts one visitor, each must be caught."""
