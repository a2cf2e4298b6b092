"""Start models, datasets and feature views from templates, and update them."""
