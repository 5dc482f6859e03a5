"""What a change of a file means, told from its bytes: tensors, settings, vocabularies and rows.

Pure: every module reads through a function and knows neither repositories nor where the bytes are kept.
"""
