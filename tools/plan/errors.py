"""What can go wrong outside the pure core."""


class PlanError(Exception):
    """The message says what is missing or refused, and what to do; never a secret."""
