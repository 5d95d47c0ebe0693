"""What the runtime noted, made readable: measures, reports, timelines."""
