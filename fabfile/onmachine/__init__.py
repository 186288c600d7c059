"""Programs that run on the machines of a stage, with the standard library alone; sent as they are."""
