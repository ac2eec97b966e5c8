"""R9, trained quality: do both backends, or both precisions, train to the same quality?"""
