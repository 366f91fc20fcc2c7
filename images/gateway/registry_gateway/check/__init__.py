"""Are the expected images at the upstream, whole?

`manifest` reads one manifest, `walk` goes from images down to their layers, `rounds` does so again and again.
"""
