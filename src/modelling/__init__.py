"""What the models' tasks do; knows no single model."""
