"""`python -m flows` is the command `headlines`."""

from flows.cli.commands import main

if __name__ == "__main__":
    main()
