"""A small game of our own for the Game Boy: its source, its assembler, its cartridge and its rules.

`python -m envstream.pyboy_game` builds `catch.gb` from `catch.asm` and `catch.txt`.
"""
