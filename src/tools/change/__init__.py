"""What a change affects, and the CI jobs that follow from it."""
