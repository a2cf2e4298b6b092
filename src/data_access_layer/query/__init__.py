"""Which rows and columns of a table are read: filters, points in time, and their SQL."""
