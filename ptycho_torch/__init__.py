"""
The PyTorch backend: the only package that imports it, and only in the modules that compute.

Importing this package imports no framework, so that the command lines refuse bad input in a blink.
"""
