"""``python -m droppath_audit``: the command line without an installed script."""

# Neither this file nor the package's own imports what a file in the working directory could shadow, until that is last.
from droppath_audit.core.search_path import put_working_directory_last

if __name__ == "__main__":
    put_working_directory_last()

    from droppath_audit.commands import main

    main()
