"""Run the command line with ``python -m sparcell``."""

from sparcell.cli import main

if __name__ == "__main__":
    main()
