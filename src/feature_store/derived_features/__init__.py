"""Feature views, and columns computed from columns."""
