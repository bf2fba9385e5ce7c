"""How the sealed environment is made: from reviewed inputs to the artifact. Nothing imports this at
run time."""
