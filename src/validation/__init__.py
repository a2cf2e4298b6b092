"""Is this data, or this model, good enough?"""
