"""Tables by the kind of store that holds them."""
