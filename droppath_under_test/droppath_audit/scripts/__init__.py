"""Scripts that show a fault without this package, written from named parts."""
