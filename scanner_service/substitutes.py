"""What stands in for a redacted value: a numbered placeholder, a keyed hash or a consistent fake."""

from __future__ import annotations

import hashlib
import hmac
import importlib
import importlib.util
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from scanner_service.errors import ConfigError
from scanner_service.placeholders import StandIns, mentions, parse, spell
from scanner_service.text import View
from scanner_service.views import visible

# To make ready for more known stand-ins takes longer than the event loop should be away from everybody else.
MANY_KNOWN = 200

# Of a text that is read in pieces what may be a mention of a placeholder is kept: so many characters before its number,
# and so many of them, that no output can have it hold more.
BEFORE_NUMBER, MOST_KEPT = 64, 1_000
_NUMBERED = re.compile(
    r"(?:[A-Z](?:\\?[_-]| )?|[a-z]\\?[_-])[1-9][0-9]{0,8}(?![A-Za-z0-9])|[a-z] ?[1-9][0-9]{0,8}(?= ?\\?[\]>}])"
)

HASH_DIGITS = 12  # 48 bits: values of one label in one text do not collide in practice


class Substitutes:
    """
    Gives out stand-ins, unique within one text or one conversation.

    Args:
        text: stand-ins that it already mentions are not given out.
        known: stand-ins of earlier turns and the values they stand for; equal values keep theirs.
        key: of the hashes and fakes, so that they are the same in every worker and tell nothing without it.

    Attributes:
        stand_ins: those that can be put back, the known ones included; hashes are not among them.
    """

    def __init__(self, text: str, known: Mapping[str, str] | None = None, key: bytes = b"") -> None:
        self.stand_ins = StandIns(known or {})
        self._text = text
        self._key = key
        self._given: dict[tuple[str, str], str] = {}
        self._next: dict[str, int] = {}
        self._taken: dict[str, set[str]] = {}
        self._kept: dict[str, None] = {}  # a set in order
        for stand_in, value in self.stand_ins.values.items():
            if (parsed := parse(stand_in)) is not None:
                self._given.setdefault((parsed[0], value), stand_in)
                self._given.setdefault(_folded(parsed[0], value), stand_in)

    @property
    def values(self) -> Mapping[str, str]:
        """What each of `stand_ins` stands for."""
        return self.stand_ins.values

    def read_on(self, text: str) -> None:
        """Go on with another piece of the same text; what was given out stays given, what it mentioned stays taken."""
        self._text = text
        shown = visible(View.identity(text)).text
        new = dict.fromkeys(each for each in _numbered(shown) if each not in self._kept)
        self._kept |= dict.fromkeys([*new][: MOST_KEPT - len(self._kept)])
        for label, taken in self._taken.items() if new else ():
            taken.update(_mentioned("\n".join(new), label))

    def placeholder(self, label: str, value: str, *, fold: bool = False) -> str:
        """
        The numbered placeholder of *value*.

        Args:
            fold: whether spellings that differ only in case, spacing or punctuation share one.
        """
        identity = _folded(label, value) if fold else (label, value)
        if identity not in self._given:
            self._given[identity] = self._unused(label)
            self.stand_ins.add(self._given[identity], value)
        return self._given[identity]

    def hash(self, label: str, value: str) -> str:
        """A keyed hash of *value* that cannot be put back: `[PERSON_3fa9c1d20b77]`."""
        return f"[{label}_{self._digest(label, value).hex()[:HASH_DIGITS]}]"

    def fake(self, label: str, value: str) -> str:
        """A made-up value of the same sort, the same each time; a placeholder where there is no such sort."""
        identity = (f"fake {label}", value)
        if identity not in self._given:
            made_up = self._make_up(label, value)
            if made_up is None:
                return self.placeholder(label, value)
            self._given[identity] = made_up
            self.stand_ins.add(made_up, value)
        return self._given[identity]

    def _make_up(self, label: str, value: str) -> str | None:
        maker = FAKES.get(label)
        if maker is None:
            return None
        faker = _faker()
        faker.seed_instance(int.from_bytes(self._digest(label, value)[:8]))
        for _ in range(20):
            made_up = maker(faker)
            if self.values.get(made_up) == value:  # of an earlier turn
                return made_up
            if made_up not in self.values and made_up != value and made_up not in self._text:
                return made_up
        return None

    def _digest(self, label: str, value: str) -> bytes:
        return hmac.digest(self._key, f"{label}\0{value}".encode("utf-8", "surrogatepass"), hashlib.sha256)

    def _unused(self, label: str) -> str:
        if label not in self._taken:
            # Invisible characters inside a mention may be removed.
            texts = {self._text, visible(View.identity(self._text)).text, "\n".join(self._kept)}
            self._taken[label] = {placeholder for text in texts for placeholder in _mentioned(text, label)}
        while True:
            self._next[label] = self._next.get(label, 0) + 1
            placeholder = spell(label, self._next[label])
            if placeholder not in self._taken[label] and placeholder not in self.values:
                return placeholder


def _mentioned(text: str, label: str) -> set[str]:
    return {mention.placeholder for mention in mentions(text, [label])}


def _numbered(text: str) -> Iterator[str]:
    """What may be mentions of placeholders in *text*, each with what stands before it, and its bracket."""
    for number in _NUMBERED.finditer(text):
        yield text[max(0, number.start() - BEFORE_NUMBER) : number.end() + 3]


def _folded(label: str, value: str) -> tuple[str, str]:
    """What spellings share; no label has a space."""
    return f"folded {label}", "".join(character for character in value.casefold() if character.isalnum())


# Domains and networks are those that RFC 2606 and RFC 5737 reserve for examples.
FAKES: Mapping[str, Callable[[Any], str]] = {
    "CREDIT_CARD": lambda faker: str(faker.credit_card_number()),
    "DATE": lambda faker: str(faker.date()),
    "DATE_TIME": lambda faker: str(faker.date()),
    "EMAIL_ADDRESS": lambda faker: str(faker.ascii_safe_email()),
    "IBAN_CODE": lambda faker: str(faker.iban()),
    "IP_ADDRESS": lambda faker: f"203.0.113.{faker.random_int(1, 254)}",
    "LOCATION": lambda faker: str(faker.city()),
    "ORGANIZATION": lambda faker: str(faker.company()),
    "PERSON": lambda faker: f"{faker.first_name()} {faker.last_name()}",
    "PHONE_NUMBER": lambda faker: f"+1 {faker.random_int(201, 989)} 555 01{faker.random_int(0, 99):02}",
    "URL": lambda faker: f"https://{faker.user_name()}.example/",
    "US_SSN": lambda faker: str(faker.ssn()),
}


def check_fakes() -> None:
    """
    Make sure that fakes can be made.

    Raises:
        ConfigError: if the library is not installed; the message says how to get it.
    """
    if importlib.util.find_spec("faker") is None:
        raise ConfigError("the operator `fake` needs the package `faker`: pip install '.[fake]'")


def _faker() -> Any:
    """The one of this thread. To make one takes 2 ms; whoever uses it gives it a seed first."""
    if not hasattr(_threads, "faker"):
        # Imported late: 60 modules that only this operator needs.
        _threads.faker = importlib.import_module("faker").Faker("en_US")
    return _threads.faker


_threads = threading.local()
