"""``python -m dccausal`` is the command line."""

import sys

from dccausal.cli import main

if __name__ == "__main__":
    sys.exit(main())
