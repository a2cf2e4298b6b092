"""Commands for who works on this repository. No model imports them, and they import no model."""
