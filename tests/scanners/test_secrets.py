import base64
import json
from pathlib import Path
from random import Random
from uuid import UUID

import hypothesis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.secret_samples import fill
from scanner_service.errors import ConfigError
from scanner_service.scanners import secrets
from scanner_service.scanners._checks import CHECKS
from scanner_service.scanners._credentials import shipped
from scanner_service.testing import run_scanner
from tests.timing import least_seconds

SCANNER = secrets.build(secrets.Config(), {})
FORMS = [(form, example) for form in shipped() for example in form.examples]


def build(**options):
    return secrets.build(secrets.Config(**options), {})


def found(text, scanner=SCANNER):
    findings = sorted(run_scanner(scanner, text), key=lambda finding: finding.span)
    return [(finding.label, finding.span.of(text)) for finding in findings if finding.score >= 0.5]


def sample(template, seed=0):
    return fill(template, Random(seed))


GITHUB, AWS, STRIPE = "ghp_{crc62:36}", "AKIA{base32:16}", "sk_live_{alnum:24}"


def test_every_form_has_a_source_and_two_templates_as_examples():
    for form in shipped():
        assert form.source.startswith("https://"), form.label
        assert len(form.examples) == 2, form.label
        assert bool(form.pattern) != bool(form.names), form.label
        for example in form.examples:
            assert "{" in example, example


@pytest.mark.parametrize(("form", "example"), FORMS, ids=[f"{form.label}-{i % 2}" for i, (form, _) in enumerate(FORMS)])
def test_samples_of_every_form_are_found_exactly(form, example):
    labels, missed = set(), []
    for seed in range(25):
        text, secret = (
            sample(f"Please read this.\n{example}\nThank you.", seed) if "«" in example else _alone(example, seed)
        )
        hits = found(text)
        labels |= {label for label, value in hits if value == secret}
        missed += [] if secret in [value for _, value in hits] else [text]
    assert form.label in labels
    assert len(missed) <= 1, missed  # chance makes names and numbers, too


def _alone(example, seed):
    secret, _ = sample(example, seed)
    return f"The value is {secret}, keep it safe.", secret


def test_at_least_two_hundred_labels_are_known():
    assert len({form.label for form in shipped()}) >= 200


def test_every_label_is_documented():
    text = (Path(__file__).parents[2] / "docs/scanners.md").read_text(encoding="utf-8")
    for form in shipped():
        assert f"`{form.label}`" in text, form.label


def test_every_occurrence_of_every_secret_is_found_also_on_one_line():
    values = [sample(template, seed)[0] for seed, template in enumerate([GITHUB, AWS, STRIPE] * 2)]
    text = " ".join(values * 3) + "," + ";".join(values)
    assert [value for _, value in found(text)] == values * 4


@given(st.lists(st.integers(0, 40), min_size=1, max_size=8), st.sampled_from(["\n", " ", ", ", '","', "\\n", "|", "…"]))
@settings(max_examples=60)
def test_none_of_many_secrets_is_left_outside_the_findings(seeds, separator):
    templates = [
        GITHUB,
        AWS,
        STRIPE,
        "glpat-{word:19}a",
        'password = "«{alnum:11}1!»"',
        "https://u:«{alnum:12}1»@h.io/",
    ]
    pairs = [sample(templates[seed % len(templates)], seed) for seed in seeds]
    text = separator.join(part for part, _ in pairs)
    covered = {at for finding in run_scanner(SCANNER, text) for at in range(finding.span.start, finding.span.end)}
    sanitized = "".join(character for at, character in enumerate(text) if at not in covered)
    for _, secret in pairs:
        assert secret not in sanitized


@pytest.mark.parametrize(
    "name", ["PublicKeyToken=", '"public_key": "', "cache_key: ", "arn:aws:secretsmanager:eu:1:secret:"]
)
@pytest.mark.parametrize("template", [GITHUB, STRIPE])
def test_no_name_hides_a_secret_that_its_form_tells(name, template):
    secret, _ = sample(template)
    assert secret in [value for _, value in found(f"{name}{secret}")]


def test_most_forms_are_not_tried_on_an_ordinary_text():
    assert len(SCANNER._set.candidates("Please translate the following paragraph into French.")) < 20


@pytest.mark.parametrize("template", [GITHUB, AWS, STRIPE, "SG.{word:22}.{word:42}x"])
@pytest.mark.parametrize(
    "carrier",
    [
        "{}",
        "密钥是{}。",
        "key={}",
        "'{}'",
        '{{"a":"{}"}}',
        '{{"a":"x\\n{}\\n"}}',
        "q=1&k%3D{}",
        "<b>{}</b>",
        "({})",
        "x:{}.",
    ],
)
def test_a_secret_is_found_whatever_touches_it(template, carrier):
    secret, _ = sample(template)
    assert secret in [value for _, value in found(carrier.format(secret))]


@pytest.mark.parametrize("carrier", ["a{}", "{}a", "9{}", "{}0"])
def test_a_part_of_a_longer_word_is_no_secret(carrier):
    assert found(carrier.format(sample("dapi{hex:32}")[0])) == []


@pytest.mark.parametrize("template", ["sk_test_{alnum:24}", "sk-{alnum:48}"])
def test_the_end_of_a_word_is_no_known_beginning(template):
    assert found("ta" + sample(template)[0]) == []


@pytest.mark.parametrize("before", ["x", "9", "THE", "beforea"])
@pytest.mark.parametrize("template", [GITHUB, "AIza{alnum:35}", "sk-ant-api03-{word:30}", "xoxb-{digit:12}-{alnum:24}"])
def test_a_letter_before_a_known_beginning_does_not_hide_it(template, before):
    secret, _ = sample(template)
    assert secret in [value for _, value in found(f"It is {before}{secret}, they say")]


@pytest.mark.parametrize(
    "template",
    [
        GITHUB + GITHUB,
        AWS + AWS,
        AWS + "x",
        AWS + "0",
        "sk_prod_{alnum:11}-{word:30}x",
        "sk_org_live_{alnum:24}",
        "sk-{alnum:48}-{alnum:10}",
        "sk-ant-api03-{word:201}x",
    ],
)
def test_nothing_is_left_of_a_token_that_goes_on_longer_than_its_form(template):
    text, _ = sample(template)
    assert [value for _, value in found(f"see {text}, please")] == [text]


def test_the_id_of_an_aws_key_is_found_behind_a_letter_but_not_inside_capitals():
    key, _ = sample(AWS)
    assert found(f"x{key}") == [("AWS_ACCESS_KEY_ID", key)]
    assert found(f"MKV{key}") == []


def test_a_checksum_that_holds_makes_sure():
    right, _ = sample(GITHUB)
    wrong = right[:-1] + ("a" if right[-1] != "a" else "b")
    assert [finding.score for finding in run_scanner(SCANNER, right)] == [1.0]
    assert [finding.score for finding in run_scanner(SCANNER, wrong)] == [0.7]


def test_the_published_example_of_github_passes_its_checksum():
    # https://github.blog/2021-04-05-behind-githubs-new-authentication-token-formats/ explains the form; the parts of
    # this revoked token are published to check implementations.
    assert CHECKS["crc62"]("ghp_" + "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ" + "0mLq17") == 1.0


def test_a_bitcoin_key_counts_only_if_its_checksum_holds():
    key, _ = sample("{wif:52}")
    assert found(key) == [("BITCOIN_PRIVATE_KEY", key)]
    assert found(key[:-1] + ("1" if key[-1] != "1" else "2")) == []


def test_a_token_counts_as_jwt_only_if_its_header_is_one():
    def encode(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    token = f"{encode({'alg': 'none'})}.{encode({'sub': '1234567'})}.{'a1b2' * 10}"
    assert found(f"see {token}") == [("JWT", token)]
    assert found(f"see {encode({'kind': 'other'})}.{encode({'sub': '1234567'})}.{'a1b2' * 10}") == []


@pytest.mark.parametrize(
    "line",
    [
        "API_KEY=<YOUR_API_KEY>",
        "api_key = 'your-api-key-1234567890'",
        "token: xxxxxxxxxxxxxxxxxxxxxxxx",
        "token = ${GITHUB_TOKEN_V2_2024}",
        "const apiKey = process.env.API_KEY_2024x7;",
        "secret_key = os.environ['SECRET_KEY_1a2b3c']",
        "password = getpass.getpass('Password1: ')",
        "PASSWORD=changeme123",
        "password: {{ vault_password_9a8b7c }}",
        "self.token2 = request.token2.value3",
        "The password is required and must have 8 characters.",
        "Forgot your password? Please reset it.",
        "max_tokens: 4096, total_tokens=123456789012",
        "token = tokenizer.encode(text, max_length=512)",
        "secret: s3://bucket/path/to/file",
        "key: prod-eu-west-1-cache-2024",
        "postgres://user:password@localhost/db",
        "https://host:8080/path/user@example.com",
        "authorization: Bearer <token>",
        "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "commit da39a3ee5e6b4b0d3255bfef95601890afd80709 in github",
        "github token docs changed in commit da39a3ee5e6b4b0d3255bfef95601890afd80709",
        '"integrity": "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+Sfa=="',
        "id: 123e4567-e89b-12d3-a456-426614174000",
        "keywords = ['or', 'pass', 'raise', 'return']",
        "fields = ['name', 'password', 'email']",
        "secret = base64.b64decode(secret_b64)",
        "self.layers[cache_key] = NemotronAsrStreamingConv1dCacheLayer",
        "SECRET_KEY = '$(cat /run/secrets/key-1a2b3c)'",
        'token: "${GITHUB_TOKEN_1a2b3c}"',
        "SECRET_KEY = '%(secret_1a2b3c)s'",
        "<password>${db.password1}</password>",
        "docker run -d mysql -p8080:80",
        "Foo, Version=4.0.30319.42000, Culture=neutral, PublicKeyToken=b77a5c561934e089",
        "--- PASS: TestLogin (0.00s)",
        "'password' => 'required|min:8|confirmed'",
        "password: !secret wifi_password",
        "password: *default_password",
        '{"password": "[PASSWORD_1]"}',
        'passphrase: ssid="Office"',
        "password Argon2id v1.3",
        "the password ann2@example.com asked for",
        "password hash(user1!)",
        "Hasło jest wymagane.",
        "パスワードは必須です。パスワード：8文字以上",
        "docker run -u admin -p 8443:443 acme/app2",
        "identified by the name 'Ann'",
        "JSESSIONID=$JSESSIONID",
        "echo 'done' | sudo -S true",
        "snmp-server community <string> RO",
        '{"idempotency_key": "20f38a0f-2f9a-efad-b72a-6dc96008d36b"}',
        "cache_key: 9f86d081884c7d659a2feaa0c55ad015",
        '"next_page_token": "Zk3vQ8mN2xR7tB5wY1pL"',
        "partition_key=9f86d081884c7d659a2feaa0c55ad015",
        '"public_key": "9f86d081884c7d659a2feaa0c55ad015"',
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db-Zk3vQ8",
        '{"password": "Contraseña", "token": "Ficha"}',
        '{"password": "Passwort"}',
        "password: Settings.Database.Password1",
        "password = my_Secret_1",
        "user_pass = '%s:%s' % pair",
        '"password": "$DB_PASSWORD"',
        "TOKEN=$(curl -s http://169.254.169.254/latest/api/token)",
        "API_KEY=<your-key(s)-here-1>",
        "SECRET_NAME=prod/app/db(primary)",
        "- name: DB_PASSWORD\n  valueFrom:\n    secretKeyRef: {name: db2}",
        "- name: DB_PASSWORD\n  value: {{ .Values.db.password1 }}",
        'variable "db_password" {\n  type = string\n}\nvariable "size1" { default = "t3.micro1" }',
        '#define PASSWORD_LENGTH "16"',
        '#define PASSWORD_PROMPT "Password 1: "',
        "| password | string | at least 8 characters |",
        "| token | The access token of the caller |",
        "if (!user || !password || confirmPassword2) return",
        "**Password:** at least 8 characters",
        "Use JWT-bearer-assertions as the token format.",
        "names = ['TKTokenKeychainKey', 'TKTokenPasswordAuthOperation']",
        'login("GET", "/login2/form")',
        "signIn('google', 'same-origin2')",
        "keytool -list -storepass changeit -keystore a.jks",
        "ldapsearch -x -W -D cn=admin,dc=acme -p 6363",
        "the password policy is the key to security",
        "set the api key to an empty string",
        "La clave del éxito es la constancia.",
        "Das ist der Schlüssel zum Erfolg: Geduld.",
    ],
)
def test_placeholders_expressions_and_hashes_are_no_secrets(line):
    assert found(line) == []


@given(st.uuids(), st.binary(min_size=20, max_size=64))
@hypothesis.example(UUID(int=0), bytes.fromhex("0000000003f98080000000000000000000000001050106" + "0a00481cc5050d1d"))
def test_identifiers_and_digests_alone_are_no_secrets(uuid, data):
    image = base64.b64encode(data * 40).decode()
    for text in (str(uuid), data.hex(), f'<img src="data:image/png;base64,{image}">', f"sha256:{data.hex()}"):
        assert found(f"see {text} there") == [], text


def test_an_example_key_of_documentation_is_found_all_the_same():
    key, secret = "AKIA" + "IOSFODNN7" + "EXAMPLE", "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCY" + "EXAMPLEKEY"
    assert found(f"id {key}") == [("AWS_ACCESS_KEY_ID", key)]
    assert found(f"aws_secret_access_key = {secret}") == [("AWS_SECRET_ACCESS_KEY", secret)]


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("my password is Tr0ub4dor&3, thanks", "Tr0ub4dor&3"),
        ("The Wi-Fi password for the office is: kitten42!", "kitten42!"),
        ("Password:\nhunter2x", "hunter2x"),
        ("mein Passwort ist: Sommer2024!", "Sommer2024!"),
        ("密码: abc123!x", "abc123!x"),
        ("login with pwd=Passw0rd!", "Passw0rd!"),
        ('{"password": "corr\\"ect1"}', 'corr\\"ect1'),
        ('log: {\\"password\\": \\"hunter2x\\"}', "hunter2x"),
        ("SECRET_KEY_BASE=3f9a1c77be204d5e8890", "3f9a1c77be204d5e8890"),
        ("use the api key 9f86d081884c7d659a2f for now", "9f86d081884c7d659a2f"),
        ("the token is:\n\n    9f86d081884c7d659a2f", "9f86d081884c7d659a2f"),
        ("redis://:p4ss@w0rd@cache:6379/0", "p4ss@w0rd"),
        ("x-api-key: 9f86d081-884c-7d65-9a2f", "9f86d081-884c-7d65-9a2f"),
        ("DB_PASSWORD=Xy7,kLm;Q9z!", "Xy7,kLm;Q9z!"),
        ("DB_PASSWORD=Xy7kLm|Q9z!ab", "Xy7kLm|Q9z!ab"),
        ("PASSWORD_DB=Xy7kLmQ9z", "Xy7kLmQ9z"),
        ("password: Tr0ub4dor&3,horse", "Tr0ub4dor&3,horse"),
        ("login(password=abc1234,user=bob)", "abc1234"),
        ("密码：Xy7kLmQ9z", "Xy7kLmQ9z"),
        ("密码是Xy7kLmQ9z", "Xy7kLmQ9z"),
        ("api_key＝9f86d081884c7d659a2f", "9f86d081884c7d659a2f"),
        ("<password>Xy7kLmQ9z</password>", "Xy7kLmQ9z"),
        ('<add key="Password" value="Xy7kLmQ9z"/>', "Xy7kLmQ9z"),
        ("mysql -pXy7kLmQ9z shop", "Xy7kLmQ9z"),
        ("redis-cli -h cache -a Xy7kLmQ9z ping", "Xy7kLmQ9z"),
        ("client_secret=9f86d081884c7d659a2f&x=1", "9f86d081884c7d659a2f"),
        ("client_secret=9f86d081884c&d659a2f", "9f86d081884c&d659a2f"),
        ("os.putenv('PASSWORD', 'hunter2x')", "hunter2x"),
        ("the temporary password Xk9#mP2q is valid for a day", "Xk9#mP2q"),
        ("Office wifi: ACME-Guest, password “Willkommen2024!”", "Willkommen2024!"),
        ("password is `Xk9mP2qa`", "Xk9mP2qa"),
        ("password: “Xk9mP2qa”.", "Xk9mP2qa"),
        ("pw: Xk9mP2qa", "Xk9mP2qa"),
        ("password = b'Xk9mP2qa'", "Xk9mP2qa"),
        ('const PASSWORD: &str = "Xk9mP2qa";', "Xk9mP2qa"),
        ('password: Optional[str] = "Xk9mP2qa"', "Xk9mP2qa"),
        ('ssid="Office" psk="Xk9mP2qa"', "Xk9mP2qa"),
        ('user.setPassword("Xk9mP2qa");', "Xk9mP2qa"),
        ("ALTER USER app WITH PASSWORD 'Xk9mP2qa';", "Xk9mP2qa"),
        ("rtsp://cam:Xk9mP2qa@192.168.1.64/stream", "Xk9mP2qa"),
        ("creds: admin/Xk9#mP2q", "Xk9#mP2q"),
        ("Ocp-Apim-Subscription-Key: 9f86d081884c7d659a2f9f86d081884c", "9f86d081884c7d659a2f9f86d081884c"),
        ("Le mot de passe est « Xk9mP2qa »", "Xk9mP2qa"),
        ("Das Passwort lautet Xk9mP2qa", "Xk9mP2qa"),
        ("la password è Xk9mP2qa", "Xk9mP2qa"),
        ("wachtwoord: Xk9mP2qa", "Xk9mP2qa"),
        ("hasło: Xk9mP2qa", "Xk9mP2qa"),
        ("palavra-passe: Xk9mP2qa", "Xk9mP2qa"),
        ("a senha é Xk9mP2qa", "Xk9mP2qa"),
        ("şifre: Xk9mP2qa", "Xk9mP2qa"),
        ("lösenord: Xk9mP2qa", "Xk9mP2qa"),
        ("पासवर्ड: Xk9mP2qa", "Xk9mP2qa"),
        ("パスワードは Xk9mP2qa です", "Xk9mP2qa"),
        ("비밀번호: Xk9mP2qa", "Xk9mP2qa"),
        ("password: Pale-Heron-77", "Pale-Heron-77"),
        ("DB_PASSWORD=Pale-Heron-77", "Pale-Heron-77"),
        ('password = "Pale.Heron_77"', "Pale.Heron_77"),
        ('connect(host="db", password="kV9$wQ2m")', "kV9$wQ2m"),
        ("LDAP_BIND_PW=Ld4p-b1nd", "Ld4p-b1nd"),
        ('db_pw = "Xk9mP2qa"', "Xk9mP2qa"),
        ("**Password:** Xk9mP2qa", "Xk9mP2qa"),
        ("*Password:* `Xk9mP2qa`", "Xk9mP2qa"),
        ("<b>Password:</b> Xk9mP2qa", "Xk9mP2qa"),
        ("**API key:** `9f86d081884c7d659a2f`", "9f86d081884c7d659a2f"),
        ("| Password | Xk9#mP2q |", "Xk9#mP2q"),
        ("| API key | `9f86d081884c7d659a2f` |", "9f86d081884c7d659a2f"),
        ("<tr><td>Password</td>\n<td>Xk9mP2qa</td></tr>", "Xk9mP2qa"),
        ("- name: DB_PASSWORD\n  value: Xk9mP2qa", "Xk9mP2qa"),
        ('{"name": "DB_PASSWORD", "value": "Xk9mP2qa"}', "Xk9mP2qa"),
        ('{"name":"API_TOKEN","value":"9f86d081884c7d659a2f"}', "9f86d081884c7d659a2f"),
        ('variable "db_password" {\n  default = "Xk9mP2qa"\n}', "Xk9mP2qa"),
        ('#define WIFI_PASSWORD "Pale-Heron-77"', "Pale-Heron-77"),
        ("POSTGRES_PASSWORD: ${DB_PASSWORD:-Xk9mP2qa}", "Xk9mP2qa"),
        ("process.env.DB_PASSWORD || 'Xk9mP2qa'", "Xk9mP2qa"),
        ('os.environ.get("API_TOKEN", "9f86d081884c7d659a2f")', "9f86d081884c7d659a2f"),
        ('.header("api-key", "9f86d081884c7d659a2f")', "9f86d081884c7d659a2f"),
        ('smtp.login("ann@acme.dev", "Xk9mP2qa")', "Xk9mP2qa"),
        ("requests.get(url, auth=('ann', 'Xk9mP2qa'))", "Xk9mP2qa"),
        ('DriverManager.getConnection("jdbc:h2:a", "root", "Xk9mP2qa")', "Xk9mP2qa"),
        ("SECRET_KEY=z8f!k@2)zq&w=9$(r7*x^p-1m+0n", "z8f!k@2)zq&w=9$(r7*x^p-1m+0n"),
        ("I set the API secret to 9f86d081884c7d659a2f today", "9f86d081884c7d659a2f"),
        ("Use `9f86d081884c7d659a2f` as the bearer token.", "9f86d081884c7d659a2f"),
        ("my key is 9f86d081884c7d659a2f", "9f86d081884c7d659a2f"),
        ("Le mot de passe du serveur est Xk9mP2qa", "Xk9mP2qa"),
        ("Das Passwort vom Router ist Xk9mP2qa", "Xk9mP2qa"),
        ("API-Schlüssel: 9f86d081884c7d659a2f", "9f86d081884c7d659a2f"),
        ("clé API : 9f86d081884c7d659a2f", "9f86d081884c7d659a2f"),
        ("clave de API: 9f86d081884c7d659a2f", "9f86d081884c7d659a2f"),
        ("API密钥：9f86d081884c7d659a2f", "9f86d081884c7d659a2f"),
        ("APIキー: 9f86d081884c7d659a2f", "9f86d081884c7d659a2f"),
        ("ключ API: 9f86d081884c7d659a2f", "9f86d081884c7d659a2f"),
        ("Password - Xk9#mP2q", "Xk9#mP2q"),
        ("smbclient //srv/share -U ann%Xk9mP2qa", "Xk9mP2qa"),
        ("plink -ssh ann@host -pw Xk9mP2qa", "Xk9mP2qa"),
    ],
)
def test_what_people_write_about_their_secrets_is_found(text, secret):
    assert secret in [value for _, value in found(text)]


@pytest.mark.parametrize(
    "value",
    ["z8f!k@2)zq&w=9$(r7*x^p-1m+0n_v3c%a#b5d(h6j", "django-insecure-k3l9vq2x#$%^&*(xw8e7r6t5y4u"],
)
@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_quoted_key_may_hold_every_sign_that_django_uses(value, quote):
    assert found(f"SECRET_KEY = {quote}{value}{quote}") == [("SECRET", value)]


def test_a_key_with_invisible_characters_inside_is_found_with_them():
    secret, _ = sample(AWS)
    hidden = secret[:6] + "\u200b" + secret[6:11] + "\u2060" + secret[11:]
    assert found(f"my id: {hidden} ok") == [("AWS_ACCESS_KEY_ID", hidden)]


def test_an_encoded_secret_is_found_where_it_is_encoded():
    secret, _ = sample(f"the key of production is {STRIPE} and it works")
    encoded = base64.b64encode(secret.encode()).decode()
    (finding,) = run_scanner(SCANNER, f"decode {encoded} please")
    assert (finding.label, finding.view) == ("STRIPE_KEY", "decoded")
    assert f"decode {encoded} please"[finding.span.start : finding.span.end] in encoded


def test_an_encoded_secret_that_occurs_twice_is_found_twice():
    secret, _ = sample(f"the key of production is {STRIPE} and it works")
    encoded = base64.b64encode(secret.encode()).decode()
    text = f"decode {encoded} and then {encoded} please"
    first, second = run_scanner(SCANNER, text)
    assert first.span.end <= text.index(" and then ") < second.span.start


def test_of_two_forms_over_the_same_characters_the_surer_is_reported():
    token, _ = sample(GITHUB)
    assert found(f"GITHUB_TOKEN={token}") == [("GITHUB_TOKEN", token)]


def test_a_private_key_is_found_with_its_markers_also_without_an_end():
    block, _ = sample("{dash}BEGIN EC PRIVATE KEY{dash}\n{base64:64}\n{base64:64}\n{dash}END EC PRIVATE KEY{dash}")
    assert found(f"a\n{block}\nb {block}") == [("PRIVATE_KEY", block)] * 2
    cut = block[: block.index("\n-----END")]
    ((label, value),) = found(f"{cut}\nThat is all of it.")
    assert (label, value.strip()) == ("PRIVATE_KEY", cut)


def test_a_public_key_and_a_certificate_are_no_secrets():
    for what in ("PUBLIC KEY", "CERTIFICATE", "CERTIFICATE REQUEST"):
        assert found(sample(f"{{dash}}BEGIN {what}{{dash}}\n{{base64:64}}\n{{dash}}END {what}{{dash}}")[0]) == []


def test_labels_can_be_chosen_and_left_out():
    text = f"{sample(AWS)[0]} {sample(GITHUB)[0]}"
    assert [label for label, _ in found(text, build(labels=["GITHUB_TOKEN"]))] == ["GITHUB_TOKEN"]
    assert [label for label, _ in found(text, build(ignore=["GITHUB_TOKEN"]))] == ["AWS_ACCESS_KEY_ID"]


def test_allowed_values_are_no_secrets():
    one, other = sample(AWS, 1)[0], sample(AWS, 2)[0]
    assert found(f"{one} {other}", build(allow=[one])) == [("AWS_ACCESS_KEY_ID", other)]
    assert found(f"{one} {other}", build(allow_patterns=[f"{one[:8]}.*", "AKIA"])) == [("AWS_ACCESS_KEY_ID", other)]


def test_credentials_of_ones_own_are_found():
    own = secrets.OwnForm(label="BADGE", pattern=r"badge[:=]\s?([A-Z0-9]{6})")
    assert found("badge: 7QX2LM", build(patterns=[own])) == [("BADGE", "7QX2LM")]
    assert found("badge: 7QX2LM", build(patterns=[own], labels=["GITHUB_TOKEN"])) == [("BADGE", "7QX2LM")]
    assert found("badge: 7QX2LM", build(patterns=[own], ignore=["BADGE"])) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": ["NO_SUCH"]}, r"labels`: no `NO_SUCH`"),
        ({"ignore": ["NO_SUCH"]}, r"ignore`: no `NO_SUCH`"),
        ({"views": ("sideways",)}, r"views`: no `sideways`"),
        ({"labels": ["JWT"], "ignore": ["JWT"]}, "nothing is left"),
        ({"labels": ["JWT"], "ignore": ["NPM_TOKEN"]}, r"ignore\[0\]`: `labels` leave `NPM_TOKEN` out"),
        ({"allow_patterns": ["("]}, r"allow_patterns\[0\]"),
        ({"allow_patterns": ["test", ".*"]}, r"allow_patterns\[1\]`: .*matches every value"),
        ({"patterns": [secrets.OwnForm(label="A", pattern="^$")]}, r"patterns\[0\]`: .*finds nothing"),
        ({"allow_patterns": ["test_)|(?:sk"]}, r"allow_patterns\[0\]"),
        ({"patterns": [secrets.OwnForm(label="A", pattern="(?=a)")]}, r"patterns\[0\]`: not a pattern"),
        ({"patterns": [secrets.OwnForm(label="A", pattern="a", check="smell")]}, r"patterns\[0\]`: no check `smell`"),
    ],
)
def test_what_makes_no_sense_is_a_configuration_error_with_its_path(options, message):
    with pytest.raises(ConfigError, match=message):
        build(**options)


HOSTILE = [
    "password=", "password: \"", "-----BEGIN PRIVATE KEY-----\n", "-----BEGIN PRIVATE KEY-----" + "A" * 30,
    "eyJa.eyJa.", "eyJaaaaaaaa.",
    "https://a:b", "postgres://u:", "ghp_", "AKIA", "api_key = ", "token: a1", "aws secret key ",
    "Authorization: Basic ", "A", "0x", "1", ":", ".", "-", "=", "_", "PuTTY-User-Key-File-2", "curl -u a:",
    "server=a;", "machine a login b password ", "SG.", "xoxb-", "LS0tLS1CRUdJTi", "t1.", "/", "\\n", "heroku key ",
    "ghp_" + "a1" * 18, "AKIA" + "A2" * 8, "password=a1b2c3,", "\nPASS=", "secret = 'a1$(", "token=a1b2c3d4e5f6&",
    "<password>", "<password ", "'password' value=", "mysql ", "mysql -p", "redis-cli -a ", "'password', '",
    "password a1!", "creds: a/", "a://b:", "pw: str", "pw: str =", "echo a1 |", "docker login ", "docker login -p",
    "jdbc:oracle:thin:a/", "identified by '", "with password ", "_auth=", "JSESSIONID=", "; __Host-a=b1",
    "name: password\nvalue: ", "variable \"password\" {", "#define PASSWORD ", "| password | ", "|", "password || '",
    "${password:-", "login('a', 'b1", "password</td><td>", "keytool -storepass ", "sqlcmd ", "SECRET_KEY=(",
    "a1b2c3d4 as ", "variable \"token\" { default = \"a1", "'api_key', 'a1", "name: token\nvalue: a1",
    "AC" + "a1" * 16, "pw: ", "X-Amz-Signature=", "clé API : ", "my key to ",
    "azurewebsites.net/?code=", "mot de passe « ", "publickeytoken=", "hasło: ", "snmp-server community ", "sec-c-",
]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_texts_take_time_in_proportion_to_their_length(unit):
    scanner = build(views=("raw",))

    def seconds(length):
        text = unit * (length // len(unit))
        return least_seconds(lambda: run_scanner(scanner, text), enough=0.05)

    assert seconds(200_000) < max(15 * seconds(20_000), 1.0)


@pytest.mark.parametrize("unit", ["a_", "a-", "A1.", "x:", "é_"])
@pytest.mark.parametrize("prefix", ["password: ", "PASS_WORD=", "DB_PASSWORD=", "token = ", "https://a:"])
def test_long_values_take_time_in_proportion_to_their_length(prefix, unit):
    scanner = build(views=("raw",))

    def seconds(length):
        text = prefix + unit * (length // len(unit)) + "9,x!y ok"
        return least_seconds(lambda: run_scanner(scanner, text), enough=0.05)

    assert seconds(100_000) < max(15 * seconds(10_000), 1.0)


LINES = "{base64:64}\n{base64:64}\n{base64:64}\n{base64:20}=="
CUT_OFF = [
    f"{{dash}}BEGIN PGP PRIVATE KEY BLOCK{{dash}}\nVersion: GnuPG v2\nComment: of a - test\n\n{LINES}\n=abcd",
    f"{{dash}}BEGIN RSA PRIVATE KEY{{dash}}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,{{hex:32}}\n\n{LINES}",
    "{dash}BEGIN PGP PRIVATE KEY BLOCK{dash}\\nVersion: GnuPG v2\\n\\n{base64:64}\\n{base64:64}\\n=abcd",
    "> {dash}BEGIN PRIVATE KEY{dash}\n> {base64:64}\n> {base64:64}\n> {base64:30}",
    "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\nComment: a--b\nPublic-Lines: 2\n{base64:64}\n{base64:20}==\n"
    "Private-Lines: 2\n{base64:64}\n{base64:30}",
]


@pytest.mark.parametrize("template", CUT_OFF)
def test_a_private_key_that_is_cut_off_is_found_up_to_its_last_line(template):
    key = sample(template)[0]
    assert found(f"{key}\nThat is all of it.") == [("PRIVATE_KEY", key.removeprefix("> "))]


@pytest.mark.parametrize("kind", ["PRIVATE KEY", "PGP PRIVATE KEY BLOCK"])
@pytest.mark.parametrize("around", ["`{}`", "{}", "{}\nVersion: any\n", "{}\n\n", "“{}” KEY=value. "])
def test_a_text_about_private_keys_holds_none(around, kind):
    marker = around.format(sample(f"{{dash}}BEGIN {kind}{{dash}}")[0])
    assert found(f"A file that begins with {marker} is a key, and all of its lines are encoded.\n" * 3) == []
