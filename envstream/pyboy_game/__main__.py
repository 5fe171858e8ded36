"""`python -m envstream.pyboy_game` builds the cartridge from its source."""

from __future__ import annotations

from envstream.pyboy_game.build import main

if __name__ == "__main__":
    main()
