"""What the models' tasks do; imports no model."""
