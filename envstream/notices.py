"""What is wrong with a stream, in sentences for people: who said one takes back none of another's."""

from __future__ import annotations


class Notices:
    """Sentences about a problem: each lasts until its author has another, or is there for one picture."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, bool], str] = {}  # By author and whether it lasts, the newest last.

    @property
    def newest(self) -> str | None:
        """What was said last, of what is still so."""
        return next(reversed(self._said.values()), None)

    def say(self, sentence: str, by: str, *, lasting: bool = False) -> bool:
        """Takes a sentence, in place of its author's one before; false when it says that already.

        Args:
            sentence: an empty one takes back all that the author said.
            by: the author, who has one sentence that lasts, and one that does not.
            lasting: whether it outlasts the next picture.
        """
        if not sentence:
            return bool(self._said.pop((by, False), None)) | bool(self._said.pop((by, True), None))
        if self._said.get((by, lasting)) == sentence:
            return False
        self._said.pop((by, lasting), None)
        self._said[by, lasting] = sentence
        return True

    def picture(self) -> None:
        """The next picture came: what does not last is over."""
        if self._said:
            self._said = {key: said for key, said in self._said.items() if key[1]}
