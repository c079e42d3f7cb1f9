"""``python -m droppath_audit``: the command line without an installed script."""

from droppath_audit.commands import main

if __name__ == "__main__":
    main()
