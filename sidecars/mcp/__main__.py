"""`python -m sidecars.mcp JSON`: see `app.py`."""

import sys

from sidecars.mcp.app import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
