"""Reading data files as the ``datasets`` library's modules do, one file of this room per module.

`formats` knows them all; `given` is what each of them is handed. Only workers import what is here.
"""
