"""The law of a mask, exactly: every value that a generator can produce, fed to a layer in place of random ones."""
