"""The only room with doors to stores: tables are read here, whatever holds them."""
