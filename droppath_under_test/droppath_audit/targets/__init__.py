"""From a SPEC to a target: parse it, load it, read its signature, bind it to its framework."""
