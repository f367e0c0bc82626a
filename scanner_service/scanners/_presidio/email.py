"""E-mail addresses, held against the public suffix list that comes with the package: nothing is downloaded."""

from __future__ import annotations

from presidio_analyzer.predefined_recognizers import EmailRecognizer
from tldextract import TLDExtract

_extract = TLDExtract(cache_dir=None, suffix_list_urls=(), fallback_to_snapshot=True)


class Email(EmailRecognizer):  # type: ignore[misc]
    """presidio's recognizer, whose own look-up would ask the network first."""

    def validate_result(self, pattern_text: str) -> bool:
        """Whether the domain ends in a public suffix and has a name before it."""
        domain = _extract(pattern_text.replace("%40", "@").rpartition("@")[2])
        return bool(domain.domain and domain.suffix)
