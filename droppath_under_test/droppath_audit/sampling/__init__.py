"""Getting mask decisions out of a target: counting at full speed, recovering masks, generating inputs."""
