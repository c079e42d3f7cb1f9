"""Generated calls and lives of a layer, and the oracle that says what each of them must give."""
