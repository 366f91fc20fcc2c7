"""Commands for a person at a terminal. They do as the gateway does, by the same code, once.

Exit codes: GOOD; BAD (something is not as it should be); INVALID (the configuration, or what was typed, is unusable).
"""

GOOD, BAD, INVALID = 0, 1, 2
