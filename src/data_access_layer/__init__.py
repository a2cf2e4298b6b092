"""Read and write tables in any kind of store; the only package that opens stores."""
