"""`python -m sidecars.python JSON`: see `process.py`."""

import sys

from sidecars.python.process import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
