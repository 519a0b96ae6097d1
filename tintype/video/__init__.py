"""Films: colours for each frame in real time, with the brightness and the sound as they are."""
