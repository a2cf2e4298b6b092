"""Commands for people who work on this repository. They import no model."""
