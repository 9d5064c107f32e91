"""`python -m flows` is the command `headlines`."""

from flows.cli import main

if __name__ == "__main__":
    main()
