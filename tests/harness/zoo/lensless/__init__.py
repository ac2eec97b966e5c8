"""
A small honest ptychography pipeline of somebody else's: the clean animal of the zoo.

It fits one object to all patterns by gradient steps (Maiden & Rodenburg 2009, ePIE) and draws it in another process,
patch by patch. Options, file names and habits are its own. Every other animal is this one with one edit.
"""
