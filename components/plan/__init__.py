"""Pure: settings and catalog in, specifications out. Nothing here imports pulumi or does I/O."""
