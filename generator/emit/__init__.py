"""The emitters: each makes the text of one kind of file, from facts and plan alone, and decides nothing.

`declare` is what they share: how a type is spelled in C and in Cython, and the order in which declarations come.
"""
