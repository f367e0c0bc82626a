import hashlib
import re
from base64 import b64encode


def test_the_page_loads_nothing_from_anywhere_else(client):
    response = client.get("/docs", headers={"authorization": ""})
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert not re.findall(r"(?:src|href)=\"(?!openapi\.json)", response.text)
    assert "//" not in re.sub(r"^\s*//.*$", "", response.text, flags=re.MULTILINE)


def test_only_the_script_and_style_of_the_page_may_run(client):
    response = client.get("/docs")
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", response.text, re.DOTALL)
        assert f"'sha256-{b64encode(hashlib.sha256(content.encode()).digest()).decode()}'" in policy


def test_the_script_never_makes_markup_of_text(client):
    text = client.get("/docs").text
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|\son[a-z]+=", text)
