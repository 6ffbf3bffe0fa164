"""Where models are told to beside this platform."""
