"""Noninterference and reference oracles over generated SQL (design: README, "How it is proved").

fixture     two databases equal in what the principal may see and different in everything else,
            and a third that physically holds only the visible, masked rows
generator   random statements over that schema, every accepted node type among them
oracle      runs a statement everywhere and compares every value, SQLSTATE and message
__main__    `make fuzz`: runs for N minutes, prints statements, accepted share, coverage, seed
"""
