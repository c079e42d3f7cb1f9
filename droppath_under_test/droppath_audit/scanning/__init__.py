"""Look-alikes of DropPath in a package or folder: found without importing it, grouped, lifted out of files."""
