"""Tables out: written beside, renamed when whole, each with its manifest."""
