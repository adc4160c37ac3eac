"""The router: a shell around hasten_policy's RouterMachine."""
