from __future__ import annotations

import asyncio
import logging
import os
import random
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import phonenumbers
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from scanner_service.engine import Engine
from scanner_service.errors import ConfigError
from scanner_service.findings import Action, Finding
from scanner_service.policy import Rule
from scanner_service.scanner import ModelInfo, Need, Prediction
from scanner_service.scanners import pii
from scanner_service.scanners._presidio.characters import plain
from scanner_service.scanners._presidio.recognizers import catalogue, languages, tunings
from scanner_service.scanners._presidio.tokens import Artifacts, Blank, lemmas
from scanner_service.testing import FakeModels, check_scanner, run_scanner
from scanner_service.text import Span

CERTAIN = 0.5  # the threshold of the shipped policy
MODELS = {"guard": ModelInfo(frozenset({"INJECTION", "PERSON", "LOCATION", "ORGANIZATION", "DATE"}), bytes, "0" * 64)}

# The example of each country in the IBAN Registry (SWIFT).
IBANS = (  # noqa: SIM905 - a list would be three times as long
    "AD1200012030200359100100 AE070331234567890123456 AL47212110090000000235698741 "
    "AT611904300234573201 AZ21NABZ00000000137010001944 BA391290079401028494 BE68539007547034 "
    "BG80BNBG96611020345678 BH67BMAG00001299123456 BR1800360305000010009795493C1 "
    "BY13NBRB3600900000002Z00AB00 CH9300762011623852957 CR05015202001026284066 "
    "CY17002001280000001200527600 CZ6508000000192000145399 DE89370400440532013000 DK5000400440116243 "
    "DO28BAGR00000001212453611324 EE382200221020145685 EG380019000500000000263180002 "
    "ES9121000418450200051332 FI2112345600000785 FO6264600001631634 FR1420041010050500013M02606 "
    "GB29NWBK60161331926819 GE29NB0000000101904917 GI75NWBK000000007099453 GL8964710001000206 "
    "GR1601101250000000012300695 GT82TRAJ01020000001210029690 HR1210010051863000160 "
    "HU42117730161111101800000000 IE29AIBK93115212345678 IL620108000000099999999 "
    "IQ98NBIQ850123456789012 IS140159260076545510730339 IT60X0542811101000000123456 "
    "JO94CBJO0010000000000131000302 KW81CBKU0000000000001234560101 KZ86125KZT5004100100 "
    "LB62099900000001001901229114 LC55HEMM000100010012001200023015 LI21088100002324013AA "
    "LT121000011101001000 LU280019400644750000 LV80BANK0000435195001 LY83002048000020100120361 "
    "MC5811222000010123456789030 MD24AG000225100013104168 ME25505000012345678951 MK07250120000058984 "
    "MR1300020001010000123456753 MT84MALT011000012345MTLCAST001S MU17BOMM0101101030300200000MUR "
    "NL91ABNA0417164300 NO9386011117947 PK36SCBL0000001123456702 PL61109010140000071219812874 "
    "PS92PALS000000000400123456702 PT50000201231234567890154 QA58DOHB00001234567890ABCDEFG "
    "RO49AAAA1B31007593840000 RS35260005601001611379 SA0380000000608010167519 "
    "SC18SSCB11010000000000001497USD SE4550000000058398257466 SI56263300012039086 "
    "SK3112000000198742637541 SM86U0322509800000000270100 ST23000100010051845310146 "
    "SV62CENR00000000000000700025 TL380080012345678910157 TN5910006035183598478831 "
    "TR330006100519786457841326 UA213223130000026007233566001 VA59001123000012345678 "
    "VG96VPVG0000012345678901 XK051212012345678906 BI4210000100010000332045181 "
    "DJ2100010000000154000100186 MN121234123456789123 NI45BAPR00000013000003558124 "
    "OM810180000001299123456 RU0304452522540817810538091310419 SD2129010501234001 "
    "SO211000001001000100141 FK88SC123456789012 YE15CBYE0001018861234567891234 "
    "HN88CABF00000000000250005469"
).split()


def build(**options: Any) -> pii.Pii:
    return pii.build(msgspec.convert(options, pii.Config), MODELS)


DEFAULT = build()


def certain(value: str, scanner: pii.Pii = DEFAULT) -> list[tuple[str, str]]:
    """Label and value of each finding over the threshold."""
    return [(f.label, f.span.of(value)) for f in run_scanner(scanner, value) if f.score >= CERTAIN]


def names(*words: str, label: str = "PERSON", score: float = 0.9) -> Callable[[str], list[Prediction]]:
    """An entity head that knows some words."""

    def predict(text: str) -> list[Prediction]:
        return [
            Prediction(label, score, Span(at, at + len(word)))
            for word in words
            for at in range(len(text))
            if text.startswith(word, at)
        ]

    return predict


def of_the_data(kind: str) -> list[Any]:
    return [
        pytest.param(entity, value, id=f"{entity} {value}")
        for entity, tuning in tunings().items()
        for value in getattr(tuning, kind)
    ]


class TestEntities:
    @pytest.mark.parametrize(("entity", "value"), of_the_data("examples"))
    def test_every_example_of_the_data_file_is_found(self, entity: str, value: str) -> None:
        assert entity in {label for label, _ in certain(value, build(entities=[entity]))}

    @pytest.mark.parametrize(("entity", "value"), of_the_data("near_misses"))
    def test_no_near_miss_of_the_data_file_is_found(self, entity: str, value: str) -> None:
        assert certain(value, build(entities=[entity])) == []

    @pytest.mark.parametrize("entity", [e for e, tuning in tunings().items() if tuning.patterns])
    def test_a_tuned_entity_has_a_source_two_examples_and_near_misses(self, entity: str) -> None:
        tuning = tunings()[entity]
        assert tuning.source
        assert len(tuning.examples) >= 2
        assert len(tuning.near_misses) >= 2

    @pytest.mark.parametrize(
        ("label", "value"),
        [
            ("EMAIL_ADDRESS", "jane.doe@example.com"),
            ("EMAIL_ADDRESS", "müller@bücher.de"),
            ("EMAIL_ADDRESS", "иван@почта.рф"),
            ("EMAIL_ADDRESS", "x@xn--80ak6aa92e.com"),
            ("CREDIT_CARD", "4111111111111111"),
            ("CREDIT_CARD", "5555-5555-5555-4444"),
            ("CREDIT_CARD", "2223 0031 2200 3222"),
            ("CREDIT_CARD", "378282246310005"),
            ("CREDIT_CARD", "3056 930902 5904"),
            ("CREDIT_CARD", "6011.1111.1111.1117"),
            ("IBAN_CODE", "GB29 NWBK 6016 1331 9268 19"),
            ("IBAN_CODE", "FR1420041010050500013M02606"),
            ("PHONE_NUMBER", "+1 415-555-2671"),
            ("PHONE_NUMBER", "+44 (0)20 7946 0958"),
            ("PHONE_NUMBER", "0044 20 7946 0958"),
            ("PHONE_NUMBER", "(212) 555-0187"),
            ("PHONE_NUMBER", "020 7946 0958"),
            ("PHONE_NUMBER", "01 42 68 53 00"),
            ("US_SSN", "412-55-9876"),
            ("US_ITIN", "912-71-1234"),
            ("UK_NINO", "AB123456C"),
            ("IP_ADDRESS", "203.0.113.77"),
            ("IP_ADDRESS", "203.0.113.0/24"),
            ("IP_ADDRESS", "2001:db8:85a3::8a2e:370:7334"),
            ("IP_ADDRESS", "fe80::1234:5678%eth0"),
            ("CRYPTO", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"),
            ("CRYPTO", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"),
        ],
    )
    @pytest.mark.parametrize(
        "frame", ["{}", "{} ends here", "It is {}.", "👩‍👩‍👧 naïve Δ ({}), or so", '{{"v": "{}"}}', "{}\n{}"]
    )
    def test_it_is_found_exactly_at_the_start_at_the_end_and_between(self, label: str, value: str, frame: str) -> None:
        text = frame.replace("{{", "{").replace("}}", "}").replace("{}", value)
        assert [found for found in certain(text) if found[0] == label] == [(label, value)] * frame.count("{}")

    def test_the_password_in_an_address_is_no_part_of_an_email_address(self) -> None:
        assert certain("postgres://app:Xk9mP2q@db.example.com/shop ftp://ann@example.com/") == [
            ("EMAIL_ADDRESS", "ann@example.com")
        ]
        assert certain("https://a.example.com/?to=x:ann@example.com") == [("EMAIL_ADDRESS", "ann@example.com")]

    @pytest.mark.parametrize(
        "value",
        [
            "4111 1111 1111 1112",
            "1234 5678 9012 3456",
            "GB29 NWBK 6016 1331 9268 18",
            "numpy==1.26.4.1 and pip install x>=10.2.30.4",
            "released as 4.18.0.19, v192.168.4.55 and 10.0.19041.1234",
            "2024-01-15T10:30:45Z 1980-02-29 00:32:03.506-02 15.01.2024 01/15/2024 2024/01/15 12:30:45.678",
            "1700000000 1700000000123 20240115 20240115103000",
            "d41d8cd98f00b204e9800998ecf8427e 3b18e512dba79e4c8300dd08aeb37f8e728b8dad e83c5163",
            "550e8400-e29b-41d4-a716-446655440000",
            "localhost:8080 127.0.0.1:5432 0.0.0.0 :: ::1 255.255.255.0",
            "ISBN 978-3-16-148410-0, 0-306-40615-2; DOI 10.1000/182; RFC 9110; ISO 8601-1:2019",
            "order 12345678, invoice 2024-000123, ticket 4155552671, SKU 123-4567-890",
            "README.md os.path config.py repo.git main.rs index.html user.name www",
            "git@github.com:org/repo.git left-pad@1.3.0 @app.route a@b.T x[1::2] std::vector",
            "3.14159265 2.71828182 41.65407, -91.53140 1,234,567.89 1.234.567,89",
            "Charles Dickens (1812-1870) in 1843, pages 100-200, score 68-75-70-66",
            "aGVsbG8gd29ybGQgdGhpcyBpcyBiYXNlNjQgNDExMQ==",
            "00:1A:2B:3C:4D:5E and 0xDEADBEEF",
        ],
    )
    def test_what_belongs_to_nobody_is_not_found(self, value: str) -> None:
        assert certain(value) == []

    @pytest.mark.parametrize(
        ("label", "value"),
        [
            ("EMAIL_ADDRESS", "jane@example.com"),
            ("CREDIT_CARD", "4111111111111111"),
            ("IBAN_CODE", "DE89370400440532013000"),
            ("PHONE_NUMBER", "+8613812345678"),
            ("US_SSN", "412-55-9876"),
            ("IP_ADDRESS", "203.0.113.77"),
            ("CRYPTO", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"),
        ],
    )
    def test_it_is_found_where_no_space_parts_words(self, label: str, value: str) -> None:
        assert (label, value) in certain(f"请用{value}联系")

    def test_a_card_after_four_digits_that_could_begin_one_is_found(self) -> None:
        assert certain("4000 4111 1111 1111 1111") == [("CREDIT_CARD", "4111 1111 1111 1111")]

    @pytest.mark.parametrize(
        "text",
        [
            "Transfer from {} to {} today",
            "{} {}",
            "Invoice RE2024 pay to {} or {}",
            "Ref AB12 NO12 {} DE12 {}",
            "{} EUR 500 and {} BIC COBADEFFXXX",
        ],
    )
    @pytest.mark.parametrize("gap", [" ", ""])
    def test_no_account_number_is_lost_behind_another_or_what_begins_like_one(self, text: str, gap: str) -> None:
        one, other = "DE89 3704 0044 0532 0130 00".replace(" ", gap), "GB29 NWBK 6016 1331 9268 19".replace(" ", gap)
        found = certain(text.format(one, other), build(entities=["IBAN_CODE"]))
        assert found == [("IBAN_CODE", one), ("IBAN_CODE", other)]

    @pytest.mark.parametrize("value", IBANS, ids=lambda value: value[:2])
    def test_an_account_number_of_every_country_is_found_and_none_with_a_wrong_digit(self, value: str) -> None:
        scanner = build(entities=["IBAN_CODE"])
        groups = " ".join(value[at : at + 4] for at in range(0, len(value), 4))
        assert certain(f"{value} or {groups}.", scanner) == [("IBAN_CODE", value), ("IBAN_CODE", groups)]
        assert certain(f"{value[:2]}{int(value[2:4]) ^ 1:02}{value[4:]}", scanner) == []

    def test_both_ends_of_a_range_of_addresses_are_found(self) -> None:
        assert certain("from 203.0.113.7-203.0.113.9.") == [
            ("IP_ADDRESS", "203.0.113.7"),
            ("IP_ADDRESS", "203.0.113.9"),
        ]

    @pytest.mark.parametrize("entity", list(catalogue()))
    def test_every_predefined_recognizer_can_be_named(self, entity: str) -> None:
        check_scanner(
            build(entities=[entity]), ["", "1234567890 " * 20, "AB 12 34 56 C, 412-55-9876", "\0 ٣ \ud800 ４"]
        )

    def test_the_catalogue_holds_presidios_recognizers_and_no_model(self) -> None:
        assert {"EMAIL_ADDRESS", "DATE_TIME", "URL", "DE_TAX_ID", "ZA_MOBILE_NUMBER", "UUID"} <= set(catalogue())
        assert not {"PERSON", "LOCATION", "NRP"} & set(catalogue())

    @pytest.mark.parametrize(
        ("entity", "value"),
        [
            ("DE_TAX_ID", "Steuer-ID 86095742719"),
            ("ES_NIF", "NIF 55555555K"),
            ("PL_PESEL", "PESEL 44051401359"),
            ("ZA_MOBILE_NUMBER", "cell 082 123 4567"),
            ("ZA_TELEPHONE_NUMBER", "tel +27 21 123 4567"),
            ("DATE_TIME", "on 2024-01-15"),
            ("URL", "see https://example.com/a?b=c, please"),
        ],
    )
    def test_entities_that_are_off_by_default_are_found_when_named(self, entity: str, value: str) -> None:
        assert {label for label, _ in certain(value, build(entities=[entity]))} == {entity}
        assert certain(value) == [] or entity.startswith("ZA_")


class TestPhones:
    KNOWN_GAPS = frozenset({"CI", "KZ"})  # groups of one digit in the middle

    @pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS - KNOWN_GAPS))
    def test_the_example_of_every_country_is_found_in_international_form(self, region: str) -> None:
        number = phonenumbers.example_number(region)
        assert number is not None
        for form in (phonenumbers.PhoneNumberFormat.E164, phonenumbers.PhoneNumberFormat.INTERNATIONAL):
            value = phonenumbers.format_number(number, form)
            assert ("PHONE_NUMBER", value) in certain(f"Call {value} now")

    @pytest.mark.parametrize("region", ["AT", "AU", "BR", "DE", "ES", "FR", "GB", "IL", "IN", "IT", "JP", "NL", "US"])
    def test_national_numbers_count_in_the_configured_regions(self, region: str) -> None:
        number = phonenumbers.example_number(region)
        assert number is not None
        value = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
        assert ("PHONE_NUMBER", value) in certain(f"Call {value} now", build(regions=[region]))

    def test_bare_digits_need_a_context_word(self) -> None:
        assert certain("reference 4155552671") == []
        assert certain("my cell: 4155552671") == [("PHONE_NUMBER", "4155552671")]

    def test_two_numbers_in_a_row_are_two(self) -> None:
        assert certain("415-555-2671 415-555-2672") == [
            ("PHONE_NUMBER", "415-555-2671"),
            ("PHONE_NUMBER", "415-555-2672"),
        ]

    @pytest.mark.parametrize(
        "numbers",
        [
            ["(415) 555-2671", "(212) 555-0199", "(646) 555-3333"],
            ["(415) 555-2671", "212-555-0199"],
            ["030 1234567", "040 7654321"],
            ["01 42 68 53 00", "06 12 34 56 78"],
            ["+44 20 7946 0958", "020 7946 0959"],
        ],
    )
    @pytest.mark.parametrize("before", ["", "12 34 56 78 90 "])
    def test_none_of_several_numbers_takes_a_part_of_the_next(self, numbers: list[str], before: str) -> None:
        assert certain(before + " ".join(numbers)) == [("PHONE_NUMBER", number) for number in numbers]

    def test_bare_digits_beside_an_evident_number_are_found_with_context(self) -> None:
        assert [value for _, value in certain("call 415-555-2671 4155552672")] == ["415-555-2671", "4155552672"]

    @pytest.mark.parametrize("value", ["415-555-2671x123", "415-555-2671ext.4", "Tel.415-555-2671", "a/o.415-555-2671"])
    def test_extensions_and_abbreviations_may_touch_a_number(self, value: str) -> None:
        assert certain(value) == [("PHONE_NUMBER", "415-555-2671")]

    @pytest.mark.parametrize(
        "value",
        [
            "+33 (0)1 42 68 53 00",
            "+39 (0)6 1234 5678",
            "+31 (0)6 12345678",
            "+49 (0) 30 / 123 456-78",
            "030 / 12345678",
        ],
    )
    def test_a_number_may_have_its_trunk_zero_in_brackets_or_a_slash_between_spaces(self, value: str) -> None:
        assert certain(f"Tel.: {value}, oder") == [("PHONE_NUMBER", value)]

    def test_numbers_on_both_sides_of_a_slash_are_two(self) -> None:
        assert [value for _, value in certain("030 1234567 / 0171 2345678")] == ["030 1234567", "0171 2345678"]

    def test_a_number_that_needs_its_context_begins_with_its_plus(self) -> None:
        assert certain("call +972 50-123-4567") == [("PHONE_NUMBER", "+972 50-123-4567")]

    @pytest.mark.parametrize(
        "value",
        [
            "0033 1 42 68 53 00",
            "00353 1 234 5678",
            "0036 1 234 5678",
            "+34.912.345.678",
            "+61.412.345.678",
            "+39-06-6982",
        ],
    )
    def test_a_country_code_may_stand_before_one_digit_and_a_plus_before_what_looks_like_an_address(
        self, value: str
    ) -> None:
        assert certain(f"Ann | {value} | Rome") == [("PHONE_NUMBER", value)]

    @pytest.mark.parametrize(
        "value", ["+1.4155552671", "34.912.345.678", "+12.10.2024", "041-69-7661", "00 1 2 3 4 5 6 7 8"]
    )
    def test_signed_fractions_addresses_and_rows_of_digits_are_no_numbers(self, value: str) -> None:
        assert "PHONE_NUMBER" not in [label for label, _ in certain(f"value {value} there")]

    @pytest.mark.parametrize("value", ["00012345600012", "00014155552671"])
    def test_no_country_code_begins_with_a_zero(self, value: str) -> None:
        assert certain(f"GTIN {value}") == []

    @pytest.mark.parametrize("value", ["Physica A 388 (2009) 764-774", "(2019) 1234567", "(1998) 123-4567"])
    def test_a_year_in_brackets_is_no_area_code(self, value: str) -> None:
        assert certain(value) == []


class TestContext:
    def test_a_context_word_raises_the_score_and_can_be_switched_off(self) -> None:
        assert certain("passport 412559876") == [("US_PASSPORT", "412559876")]
        assert certain("passport 412559876", build(context=False)) == []

    @pytest.mark.parametrize("value", ["phone_number=4155552671", '"phoneNumber": "4155552671"', "phones: 4155552671"])
    def test_words_count_inside_identifiers_and_in_the_plural(self, value: str) -> None:
        assert certain(value) == [("PHONE_NUMBER", "4155552671")]

    def test_a_word_inside_another_does_not_count(self) -> None:
        assert certain("pip install zip script 1.2.3.4") == []
        assert certain("ip 1.2.3.4") == [("IP_ADDRESS", "1.2.3.4")]

    def test_a_word_after_the_entity_counts_within_the_sentence(self) -> None:
        assert certain("4155552671 (cell)") == [("PHONE_NUMBER", "4155552671")]
        assert certain("Order 4155552671. Call us") == []

    @pytest.mark.parametrize(
        "text",
        [
            '{"order": 4155552671, "phone": null}',
            '{\n  "order": 4155552671,\n  "phones": []\n}',
            "order=4155552671 phone=none",
            "Order 4155552671\nPhone number of the shop",
            "Order 4155552671 **Phone:** none",
        ],
    )
    def test_a_word_about_what_follows_does_not_count_for_what_stands_before_it(self, text: str) -> None:
        assert certain(text) == []

    def test_phrases_count_as_a_whole(self) -> None:
        assert certain("social security 412559876") == [("US_SSN", "412559876")]
        assert certain("social club, security 412559876") == []

    @pytest.mark.parametrize("language", [language for language in languages() if language != "en"])
    def test_the_words_of_a_language_count_when_it_is_configured(self, language: str) -> None:
        word = {"de": "Handy", "es": "móvil", "fr": "portable", "it": "cellulare", "nl": "mobiel", "pt": "celular"}
        word |= {"pl": "komórka", "tr": "cep"}
        assert certain(f"{word[language]} 4155552671", build(languages=[language])) != []
        assert certain(f"{word[language]} 4155552671") == []

    def test_lemmas_split_identifiers_and_drop_the_plural(self) -> None:
        assert [lemmas(token) for token in ("phoneNumbers", "user_ids", "addresses", "SSN", "companies", ":+")] == [
            ("phone", "number"),
            ("user", "id"),
            ("address",),
            ("ssn",),
            ("company",),
            (),
        ]

    def test_presidio_gets_tokens_that_fit_the_text(self) -> None:
        artifacts = Blank().process_text("My SSNs: 412-55", "en")
        assert isinstance(artifacts, Artifacts)
        assert artifacts.tokens == ["My", "SSNs", ":", "412", "-", "55"]
        assert artifacts.tokens_indices == [0, 3, 7, 9, 12, 13]
        assert artifacts.lemmas == ["my", "ssn", "", "412", "", "55"]
        assert artifacts.keywords == ["my", "ssn", "412", "55"]


class TestViews:
    @pytest.mark.parametrize(
        ("label", "value"),
        [
            ("EMAIL_ADDRESS", "jane\u200b.doe@exa\u200bmple.com"),
            ("EMAIL_ADDRESS", "ｊａｎｅ＠ｅｘａｍｐｌｅ．ｃｏｍ"),
            ("CREDIT_CARD", "４１１１ １１１１ １１１１ １１１１"),
            ("CREDIT_CARD", "4111\u00a01111\u20131111 1111"),
            ("CREDIT_CARD", "41\u200b11 1111 1111 1111"),
            ("US_SSN", "412\u201155\u20119876"),
            ("US_SSN", "412-5\u200d5-9876"),
            ("PHONE_NUMBER", "+٤٤ ٢٠ ٧٩٤٦ ٠٩٥٨"),
        ],
    )
    def test_disguised_values_are_found_where_they_stand(self, label: str, value: str) -> None:
        assert (label, value) in certain(f"It is {value}, she said")

    @pytest.mark.parametrize(
        ("label", "value"),
        [
            ("EMAIL_ADDRESS", "ann@example.com"),
            ("CREDIT_CARD", "4111 1111 1111 1111"),
            ("IBAN_CODE", "DE89370400440532013000"),
            ("PHONE_NUMBER", "+14155552671"),
            ("US_SSN", "412-55-9876"),
            ("IP_ADDRESS", "203.0.113.77"),
            ("CRYPTO", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"),
        ],
    )
    @pytest.mark.parametrize("before", [r"\n", r"\t", r"a\r\n", r"\\n", r"\u003c", r"\u003C", "%20", "a%3D", "%0A"])
    def test_a_value_begins_behind_what_is_escaped_before_it(self, label: str, value: str, before: str) -> None:
        assert certain(f'{{"a": "{before}{value}\\n"}}') == [(label, value)]

    def test_letters_and_digits_that_are_escaped_are_no_gap(self) -> None:
        assert certain(r"\u0034111 1111 1111 1111 %34111 1111 1111 1111") == []

    @pytest.mark.parametrize(
        "zero", ["\u0660", "\u07c0", "\U00010d40", "\U00011f50", "\U00016130", "\U0001ccf0", "\U0001e4f0"]
    )
    def test_digits_newer_than_pythons_own_data_are_digits(self, zero: str) -> None:
        card = "".join(chr(ord(zero) + int(digit)) if digit.isdigit() else digit for digit in "4111 1111 1111 1111")
        assert ("CREDIT_CARD", card) in certain(f"card {card}")
        assert ("UK_NHS", f"943 476 591{chr(ord(zero) + 9)}") in certain(f"943 476 591{chr(ord(zero) + 9)} nhs")

    def test_whatever_the_patterns_take_for_a_digit_becomes_one_of_ascii(self) -> None:
        digits = regex.findall(r"\d", "".join(map(chr, range(sys.maxunicode + 1))))
        assert plain("".join(digits)) == "0123456789" * (len(digits) // 10)

    def test_what_both_views_show_counts_once(self) -> None:
        text = "a\u200bb jane@example.com"
        assert certain(text) == [("EMAIL_ADDRESS", "jane@example.com")]
        assert [finding.view for finding in run_scanner(DEFAULT, text)] == ["raw"]


class TestModel:
    def test_without_a_model_there_are_no_needs(self) -> None:
        assert DEFAULT.needs == ()

    def test_a_model_is_not_run_for_entities_it_does_not_know(self) -> None:
        assert build(model="guard", entities=["EMAIL_ADDRESS"]).needs == ()

    def test_the_entities_of_a_model_are_reported_with_its_scores(self) -> None:
        scanner = build(model="guard")
        assert scanner.needs == (Need("guard", "raw"), Need("guard", "normalized"))
        found = run_scanner(scanner, "I met Jane Doe.", {"guard": names("Jane Doe", score=0.71)})
        assert found == [Finding("PERSON", 0.71, Span(6, 14))]

    def test_context_words_raise_the_scores_of_a_model(self) -> None:
        found = run_scanner(build(model="guard"), "Dear Jane,", {"guard": names("Jane", score=0.3)})
        assert [(finding.label, finding.score) for finding in found] == [("PERSON", 0.65)]

    @pytest.mark.parametrize(
        ("text", "score"),
        [
            ("We like Lane and jane doe.", 0.495),  # the writer uses capitals, and this one has none
            ("We like Lane and Jane Doe.", 0.9),
            ("We like lane and jane doe.", 0.9),  # only a sentence begins with one
            ("we like lane and jane doe", 0.9),
        ],
    )
    def test_a_name_without_capitals_counts_less_where_there_are_some(self, text: str, score: float) -> None:
        (found,) = run_scanner(build(model="guard"), text, {"guard": names("jane doe", "Jane Doe")})
        assert found.score == pytest.approx(score)

    @pytest.mark.parametrize("break_", ["\n", "\r\n", " \n\t"])
    def test_a_name_ends_with_its_line(self, break_: str) -> None:
        text = f"Applicant: Ann Lee{break_}Social security number"
        found = run_scanner(build(model="guard"), text, {"guard": names(f"Ann Lee{break_}Social")})
        assert [finding.span.of(text) for finding in found] == ["Ann Lee", "Social"]
        assert {finding.score for finding in found} == {0.9}

    def test_a_name_begins_and_ends_with_its_line_also_where_that_is_escaped(self) -> None:
        text = r'{"a": "Yours,\nAnn Lee\nAcme\tInc"}'
        found = run_scanner(build(model="guard"), text, {"guard": names(r"nAnn Lee\nAcme")})
        assert [finding.span.of(text) for finding in found] == ["Ann Lee", "Acme"]

    @pytest.mark.parametrize(
        ("text", "labels"),
        [
            ("Ask ann@example.com.", ["EMAIL_ADDRESS"]),
            ("Ask ann, or ann@example.com.", ["PERSON", "EMAIL_ADDRESS"]),
            ("Ask ann@example of ann@example.com, ann.", ["PERSON", "EMAIL_ADDRESS", "PERSON"]),
            ("Ask ann@localhost.", ["PERSON"]),
        ],
    )
    def test_a_name_inside_an_address_is_a_part_of_it(self, text: str, labels: list[str]) -> None:
        found = run_scanner(build(model="guard"), text, {"guard": names("ann", score=1.0)})
        assert [finding.label for finding in found] == labels

    def test_a_name_is_found_in_an_address_that_is_not_looked_for(self) -> None:
        scanner = build(model="guard", entities=["PERSON"])
        (found,) = run_scanner(scanner, "Ask ann@example.com.", {"guard": names("ann")})
        assert found.label == "PERSON"

    def test_dates_need_no_capitals(self) -> None:
        scanner = build(model="guard", entities=["DATE"])
        (found,) = run_scanner(scanner, "We like Lane next tuesday.", {"guard": names("next tuesday", label="DATE")})
        assert found.score == 0.9

    def test_labels_that_are_not_asked_for_are_left_out(self) -> None:
        predict = {"guard": names("Acme", label="ORGANIZATION")}
        assert run_scanner(build(model="guard"), "I work at Acme", predict) == []
        named = run_scanner(build(model="guard", entities=["ORGANIZATION"]), "I work at Acme", predict)
        assert [finding.label for finding in named] == ["ORGANIZATION"]

    def test_the_allow_list_holds_for_a_model_too(self) -> None:
        scanner = build(model="guard", allow_list={"exact": ["Jane"]})
        assert run_scanner(scanner, "Jane and Joan", {"guard": names("Jane", "Joan")}) == [
            Finding("PERSON", 0.9, Span(9, 13))
        ]

    def test_a_name_in_full_width_letters_is_found_in_the_normalized_view(self) -> None:
        found = run_scanner(build(model="guard"), "von Ｊａｎｅ an", {"guard": names("Jane")})
        assert found == [Finding("PERSON", 0.9, Span(4, 8), "normalized")]


class TestOptions:
    def test_allowed_values_are_left_alone(self) -> None:
        scanner = build(allow_list={"exact": ["support@example.com"], "regex": [r"[a-z]+@corp\.example\.com"]})
        text = "support@example.com it@corp.example.com it@corp.example.community jane@example.com"
        assert certain(text, scanner) == [
            ("EMAIL_ADDRESS", "it@corp.example.community"),
            ("EMAIL_ADDRESS", "jane@example.com"),
        ]

    def test_an_allowed_pattern_must_match_the_whole_value(self) -> None:
        scanner = build(allow_list={"regex": ["a|a@example.com", "jane"]})
        assert certain("a@example.com jane@example.com", scanner) == [("EMAIL_ADDRESS", "jane@example.com")]

    def test_own_patterns_are_found_with_context(self) -> None:
        own = {"name": "employee", "label": "EMPLOYEE_ID", "regex": r"E-\d{5}", "score": 0.3, "context": ["employee"]}
        scanner = build(patterns=[own])
        assert certain("badge E-12345", scanner) == []
        assert [finding.score for finding in run_scanner(scanner, "employee E-12345")] == [0.65]
        assert certain("Ünïcödé employee e-12345", scanner) == [("EMPLOYEE_ID", "e-12345")]

    def test_own_patterns_can_tell_case(self) -> None:
        scanner = build(patterns=[{"label": "EMPLOYEE_ID", "regex": "E-[0-9]{5}", "case_sensitive": True}])
        assert certain("e-12345 E-54321", scanner) == [("EMPLOYEE_ID", "E-54321")]

    def test_own_patterns_may_report_a_predefined_entity_without_what_it_requires(self) -> None:
        scanner = build(patterns=[{"label": "EMAIL_ADDRESS", "regex": r"\w+ at \w+ dot com"}])
        assert certain("jane at example dot com", scanner) == [("EMAIL_ADDRESS", "jane at example dot com")]

    def test_listed_words_are_found_whole_and_in_any_case(self) -> None:
        scanner = build(deny_lists=[{"label": "PROJECT", "words": ["Blue", "Blue Heron", "C++ (x|y)"]}])
        assert certain("bluely BLUE HERON, blue; c++ (X|Y)", scanner) == [
            ("PROJECT", "BLUE HERON"),
            ("PROJECT", "blue"),
            ("PROJECT", "c++ (X|Y)"),
        ]

    @pytest.mark.parametrize("text", ["见 Blue\nHeron", "项目Blue  Heron启动", "Blue\u00a0Heron"])
    def test_a_listed_word_is_found_over_lines_and_beside_scripts_without_spaces(self, text: str) -> None:
        scanner = build(deny_lists=[{"label": "PROJECT", "words": ["Blue Heron"]}])
        assert [label for label, _ in certain(text, scanner)] == ["PROJECT"]

    def test_a_listed_word_is_found_where_a_longer_one_is_cut_short(self) -> None:
        scanner = build(deny_lists=[{"label": "PROJECT", "words": ["Blue", "Blue Heron", "Été"]}])
        assert certain("blue herons, été; bluefin, l'étés", scanner) == [("PROJECT", "blue"), ("PROJECT", "été")]

    @pytest.mark.parametrize(
        ("options", "where"),
        [
            ({"entities": ["EMAIL"]}, "`$.options.entities[0]`: no `EMAIL`; there are: "),
            ({"entities": ["PERSON"]}, "`$.options.entities[0]`: no `PERSON` without `model: guard`; there are: "),
            ({"entities": ["PERSONS"], "model": "guard"}, "`$.options.entities[0]`: no `PERSONS`; there are: "),
            ({"model": "nobody"}, "`$.options.model`: no `nobody`"),
            ({"regions": ["US", "XX"]}, "`$.options.regions[1]`: no `XX`"),
            ({"languages": ["tlh"]}, "`$.options.languages[0]`: no `tlh`"),
            ({"patterns": [{"label": "X", "regex": "(?=a)"}]}, "`$.options.patterns[0].regex`"),
            ({"patterns": [{"label": "X", "regex": "("}]}, "`$.options.patterns[0].regex`"),
            ({"allow_list": {"regex": ["ok", r"(a)\1"]}}, "`$.options.allow_list.regex[1]`"),
            ({"allow_list": {"regex": [".+"]}}, "`$.options.allow_list.regex[0]`: the pattern matches every value"),
            ({"patterns": [{"label": "X", "regex": "^$"}]}, "`$.options.patterns[0].regex`: the pattern matches no"),
            ({"context": False, "languages": ["de"]}, "`$.options.languages`: only context words differ by language"),
            (
                {"context": False, "patterns": [{"label": "X", "regex": "x", "context": ["badge"]}]},
                "`$.options.patterns[0].context`: no context words count",
            ),
        ],
    )
    def test_a_wrong_option_is_an_error_that_names_its_place(self, options: dict[str, Any], where: str) -> None:
        with pytest.raises(ConfigError) as caught:
            build(**options)
        assert str(caught.value).startswith(where)

    @pytest.mark.parametrize(
        "options",
        [{"entity": []}, {"entities": []}, {"patterns": [{"label": "lower", "regex": "x"}]}, {"deny_lists": [{}]}],
    )
    def test_options_are_strict(self, options: dict[str, Any]) -> None:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(options, pii.Config)


class TestPromises:
    TEXTS = (
        "",
        " ",
        "plain words only",
        "jane@example.com and (212) 555-0187, 4111 1111 1111 1111",
        "\0\ud800 👩‍👩‍👧 ４１１１ jane@exа\u200bmple.com",
        "passport 412559876 " * 50,
    )

    def test_the_kind_keeps_what_every_scanner_owes(self) -> None:
        check_scanner(DEFAULT, self.TEXTS)
        check_scanner(build(model="guard"), self.TEXTS, {"guard": names("jane", "words")})

    @given(st.text(alphabet=st.sampled_from("0123456789 .-+()@:/abcDE１٤é\u200b\n'"), max_size=120))
    def test_no_text_makes_it_fail_and_every_span_is_inside(self, value: str) -> None:
        for finding in run_scanner(EVERYTHING, value):
            assert 0 < len(finding.span) <= len(value)
            assert finding.span.end <= len(value)

    def test_two_threads_find_what_one_finds(self) -> None:
        shuffled = random.Random(1)
        texts = [" ".join(shuffled.sample([t for t in self.TEXTS if t.isprintable()], 3)) for _ in range(60)]
        alone = [run_scanner(DEFAULT, text) for text in texts]
        with ThreadPoolExecutor(2) as threads:
            assert list(threads.map(lambda text: run_scanner(DEFAULT, text), texts)) == alone

    def test_no_text_reaches_the_logs(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        run_scanner(EVERYTHING, "phone 4155552671 jane@example.com DE89 3704 0044 0532 0130 01 zaphod")
        assert not [
            record for record in caplog.records if "zaphod" in str(record.__dict__) or "415" in record.getMessage()
        ]

    def test_a_recognizer_that_fails_excuses_the_rule_and_blocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError

        scanner = build()
        monkeypatch.setattr("scanner_service.scanners._presidio.phone.find_numbers", fail)
        rule = Rule(name="pii", kind="pii", scanner=scanner, action=Action.REDACT)
        engine = Engine(FakeModels({}), 5)
        result = asyncio.run(engine.scan([rule], "call 4155552671"))
        engine.close()
        assert not result.is_valid
        assert result.results[0].error == "scanner_failed"

    def test_presidio_is_not_imported_by_the_house(self) -> None:
        code = (
            "import sys; from scanner_service import chain, config, engine, registry; "
            "from scanner_service.scanners import classifier; assert 'pii' in registry.kinds(); "
            "assert not {'presidio_analyzer', 'spacy', 'phonenumbers', 'tldextract'} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_nothing_asks_the_network_or_writes_a_file(self, tmp_path: Path) -> None:
        code = (
            "import builtins, socket\n"
            "def refuse(*_, **__): raise AssertionError('network')\n"
            "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
            "plain = builtins.open\n"
            "def read_only(file, mode='r', *rest, **more):\n"
            "    assert not set(mode) & set('wax+'), file\n"
            "    return plain(file, mode, *rest, **more)\n"
            "builtins.open = read_only\n"
            "from scanner_service.scanners import pii\n"
            "from scanner_service.testing import run_scanner\n"
            "scanner = pii.build(pii.Config(), {})\n"
            "found = run_scanner(scanner, 'a@example.co.uk b@example.nosuchsuffix +44 20 7946 0958')\n"
            "assert [f.label for f in found if f.score >= 0.5] == ['EMAIL_ADDRESS', 'PHONE_NUMBER'], found\n"
        )
        environment = {
            **os.environ,
            "HOME": str(tmp_path),
            "XDG_CACHE_HOME": str(tmp_path),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, env=environment)
        assert list(tmp_path.iterdir()) == []


EVERYTHING = build(entities=list(catalogue()))
