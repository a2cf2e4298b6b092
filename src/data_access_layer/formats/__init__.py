"""Read and write file formats, and convert values to them."""
