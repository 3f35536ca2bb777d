"""`python -m telltale`: the command `telltale`."""

from telltale.command import main

if __name__ == "__main__":
    main()
