"""The allow-list (I3): which built-in functions, operators and types a statement may use, and why.

    rules      the review, written by hand
    generate   rules × what PostgreSQL 14 to 18 have -> functions.tsv operators.tsv types.tsv
    load       the files -> `Classification`, the look-ups of the running gate
    verdict    the answer of a look-up
    total      which operators, functions and casts can never raise (the fence's question)
    literals   LIKE patterns, intervals and formats that are safe as constants

A name that is in no file is unknown, and unknown is refused.
"""

from proxy.sql.classification.load import Classification, classification
from proxy.sql.classification.verdict import Kind, Verdict

__all__ = ["Classification", "Kind", "Verdict", "classification"]
