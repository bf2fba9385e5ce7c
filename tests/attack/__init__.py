"""The attack corpus: statements that try to reach what policy hides, as rows of data files."""
