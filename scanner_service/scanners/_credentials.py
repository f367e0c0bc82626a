"""The forms of credentials in `data/secrets.toml`, ready to look for."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from scanner_service import linear_regex
from scanner_service.errors import ConfigError
from scanner_service.linear_regex import Pattern
from scanner_service.scanners._checks import CHECKS, Check
from scanner_service.text import Span

DATA = Path(__file__).parent.parent / "data" / "secrets.toml"

# Between the name of a vendor and its key: `ACME_API_KEY="...`, `"acme": {"token": "...`, `my acme key is ...`.
GAP = r"[\w.\- \"'`\])\\]{0,40}?[\s:=>\"'`(\[{,|\\-]{1,8}"

# A vendor's name and a random string mean something together if one of these words is near ...
_ABOUT_SECRETS = re.compile(
    r"key|token|secret|pass|pwd|\bpat\b|_pat|auth|cred|access|bearer|licen[cs]e|dsn|hec|ssws", re.IGNORECASE
)
# ... and none of these between them.
_ABOUT_HASHES = re.compile(
    r"commit|\bsha|hash|digest|md5|integrity|checksum|revision|etag|build|image|blob|tree", re.IGNORECASE
)

# Keys and tokens that open nothing: of .NET assemblies, rows, caches and pages; and names in Amazon's cloud.
_NO_SECRET = re.compile(
    r"public[_ -]?key(?:[_ -]?token)?\W{0,6}$|arn:[\w:-]{1,60}:secret:$"
    r"|(?:cache|dedup|deduplication|foreign|idempotency|object|partition|range|row|sort)[_-]?key\W{0,6}$"
    r"|(?:continuation|cursor|next|page|resume|sync)[_-]?token\W{0,6}$",
    re.IGNORECASE,
)

# The label of what only its name makes a secret, not its form.
_BY_NAME = "SECRET"

# What ends in a letter or digit but does not belong to the word after it: an escape of JSON, of an address, of HTML.
_ESCAPE = re.compile(r"(?:\\[bfnrt]|\\u[0-9A-Fa-f]{4}|%[0-9A-Fa-f]{2})$")

# A word that ends as keys of Stripe and others begin: `task_`, `disk_`.
_ENDS_A_WORD = re.compile(r"[aeiou][rs]k_$")

# What still belongs to a token that is longer than its form, or that another one follows without a break.
_REST = re.compile(r"(?:[_-]*[A-Za-z0-9])*")


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What one kind of credential looks like.

    Attributes:
        label: what a finding is called.
        source: where the form is documented.
        pattern: its first group, or all of it if it has none, is the secret.
        names: in place of a pattern: patterns of names after which the secret stands.
        value: the pattern of a secret that has names.
        check: the name of what else must hold.
        open: whether letters and digits may touch the secret.
        extends: whether the letters and digits after it, also behind `-` and `_`, belong to it.
        examples: templates; `bench/secret_samples.py` fills them.
    """

    label: str
    source: str = ""
    pattern: str = ""
    names: list[str] = []
    value: str = ""
    check: str = "shape"
    open: bool = False
    extends: bool = False
    examples: list[str] = []


@dataclass(frozen=True, slots=True)
class Credential:
    """
    A form, compiled.

    Attributes:
        distinct: whether its beginning says what it is, whatever stands before it.
    """

    label: str
    pattern: Pattern
    check: Check
    open: bool
    extends: bool
    distinct: bool
    named: bool

    @classmethod
    def of(cls, form: Form) -> Credential:
        """
        Compile *form*.

        Raises:
            ConfigError: if its pattern or its check cannot be used.
        """
        if form.check not in CHECKS:
            raise ConfigError(f"no check `{form.check}`; there are: {', '.join(CHECKS)}")
        written = form.pattern
        if form.names:
            written = f"(?:^|[^A-Za-z])(?i:{'|'.join(form.names)}){GAP}({form.value})"
        return cls(
            form.label,
            linear_regex.compile(written),
            CHECKS[form.check],
            form.open,
            form.extends,
            # Otherwise an LLM that is told to put one letter before it hides it. What needs to look random has less of
            # a prefix: `sk-` also ends `task-`.
            distinct=form.extends and form.check != "random",
            named=bool(form.names),
        )

    def find(self, text: str) -> Iterator[tuple[float, Span]]:
        """Every secret of this form in *text*, with its score."""
        end = 0
        for span in self.pattern.finditer(text, group=min(self.pattern.groups, 1)):
            if span.start < end:
                continue  # inside what the one before was extended to, which is therefore read only once
            if self.open or not self._touches(text, span):
                score = self.check(span.of(text))
                if score and self._fits(text, span.start):
                    end = _end_of_rest(text, span.end) if self.extends else span.end
                    yield score, Span(span.start, end)

    def _fits(self, text: str, start: int) -> bool:
        if self.named and not _is_about_secrets(text, start):
            return False
        return self.label != _BY_NAME or not _NO_SECRET.search(text, max(0, start - 80), start)

    def _touches(self, text: str, span: Span) -> bool:
        before, after = text[max(0, span.start - 6) : span.start], text[span.end : span.end + 1]
        if self.distinct:
            if _ENDS_A_WORD.search(text[max(0, span.start - 1) : span.start + 3]):
                return True
        elif _is_alphanumeric(before[-1:]) and not _ESCAPE.search(before):
            return True
        return not self.extends and _is_alphanumeric(after)


@functools.cache
def shipped() -> Sequence[Form]:
    """The forms in the data file, with its `words` put in."""
    data = tomllib.loads(DATA.read_text("utf-8"))
    forms = msgspec.convert(data["secret"], list[Form])
    return tuple(msgspec.structs.replace(form, pattern=_put_in(data["words"], form.pattern)) for form in forms)


@functools.cache
def compiled() -> Sequence[Credential]:
    """The forms in the data file, compiled."""
    return tuple(Credential.of(form) for form in shipped())


def _put_in(words: Mapping[str, str], pattern: str) -> str:
    return functools.reduce(lambda done, name: done.replace(f"{{{name}}}", f"(?:{words[name]})"), words, pattern)


def _end_of_rest(text: str, at: int) -> int:
    rest = _REST.match(text, at)
    return rest.end() if rest else at


def _is_alphanumeric(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _is_about_secrets(text: str, start: int) -> bool:
    return bool(_ABOUT_SECRETS.search(text, max(0, start - 80), start)) and not _ABOUT_HASHES.search(
        text, max(0, start - 24), start
    )
