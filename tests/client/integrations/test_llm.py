"""The plugin of `llm`: a guarded twin of every installed model."""

from __future__ import annotations

import asyncio
import importlib
import sys

import pytest

llm = pytest.importorskip("llm")

from scanner_client import MaliciousOutput, MaliciousPrompt  # noqa: E402
from scanner_client.integrations import llm as plugin  # noqa: E402
from scanner_client.integrations import walks  # noqa: E402
from tests.client.conftest import ATTACK  # noqa: E402


@pytest.fixture(autouse=True)
def _environment(server, server_key, fake_llm, monkeypatch, tmp_path, _no_environment):
    monkeypatch.setenv("SCANNER_URL", server.url)
    monkeypatch.setenv("SCANNER_API_KEY", server_key)
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    models = (
        f"- model_id: fake\n  model_name: fake-1\n  api_base: {fake_llm.url}\n  aliases: [f]\n  supports_tools: true\n"
    )
    (tmp_path / "extra-openai-models.yaml").write_text(models)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    yield
    if plugin._client.cache_info().currsize:
        plugin._client().close()
    plugin._client.cache_clear()


@pytest.fixture
def model():
    return llm.get_model("guarded/fake")


def test_a_version_that_it_cannot_serve_is_told_in_words(monkeypatch):
    monkeypatch.setitem(sys.modules, "llm.parts", None)
    monkeypatch.delitem(sys.modules, plugin.__name__)
    with pytest.raises(ImportError, match=r"llm 0\.32 or later"):
        importlib.import_module(plugin.__name__)


@pytest.mark.parametrize("stream", [True, False])
def test_a_guarded_model_restores_and_calls_back(model, fake_llm, stream):
    done = []
    response = model.prompt("I am Ada", system="Be kind.", stream=stream)
    response.on_done(done.append)
    assert "".join(response) == "You said: I am Ada"
    assert response.text() == "You said: I am Ada"
    assert done == [response]
    assert "Ada" not in fake_llm.seen


def test_what_is_malicious_is_neither_sent_nor_shown(model, fake_llm):
    with pytest.raises(MaliciousPrompt):
        model.prompt(ATTACK).text()
    with pytest.raises(MaliciousPrompt):
        model.prompt("Summarize", fragments=[ATTACK]).text()
    assert fake_llm.bodies == []
    with pytest.raises(MaliciousOutput):
        model.prompt("insult me").text()


def test_what_a_model_said_to_itself_is_scanned_before_it_is_sent_again():
    from llm.parts import Message, ReasoningPart

    history = [Message(role="assistant", parts=[ReasoningPart(text="It is Ada.")])]
    assert walks.answered(plugin._messages(history), str.upper)[0].parts[0].text == "IT IS ADA."


def test_conversations_keep_their_history_and_leak_none_of_it(model, fake_llm):
    conversation = model.conversation()
    assert conversation.prompt("I am Ada").text() == "You said: I am Ada"
    assert conversation.prompt("Who am I?").text() == "You said: Who am I?"
    sent = [message["content"] for message in fake_llm.bodies[-1]["messages"]]
    assert sent == ["I am [PERSON_1]", "You said: I am [PERSON_1]", "Who am I?"]


def test_tools_are_called_with_restored_arguments(model, fake_llm):
    called = []

    def mail(to: str) -> str:
        """Send mail."""
        called.append(to)
        return "sent to Ada"

    assert model.chain("I am Ada", tools=[mail]).text() == "You said: sent to Ada"
    assert called == ["You said: I am Ada"]
    assert "Ada" not in fake_llm.seen


def test_a_result_of_a_tool_can_be_malicious(model):
    def search() -> str:
        """Search."""
        return ATTACK

    def ignore(to: str = "") -> str:
        return search()

    with pytest.raises(MaliciousPrompt):
        model.chain("hello", tools=[ignore]).text()


def test_the_asynchronous_twin_does_the_same(fake_llm):
    async def main():
        model = llm.get_async_model("guarded/fake")
        done = []
        response = model.prompt("I am Ada")
        await response.on_done(lambda finished: _note(done, finished))
        assert [piece async for piece in response]
        assert await response.text() == "You said: I am Ada"
        assert len(done) == 1
        conversation = model.conversation()
        assert await conversation.prompt("I am Ada").text() == "You said: I am Ada"
        assert await conversation.prompt("Who am I?").text() == "You said: Who am I?"
        with pytest.raises(MaliciousPrompt):
            await model.prompt(ATTACK).text()
        with pytest.raises(MaliciousOutput):
            await model.prompt("insult me").text()

    async def _note(done, response):
        done.append(response)

    asyncio.run(main())
    assert "Ada" not in fake_llm.seen


def test_every_model_and_alias_has_one_twin():
    known = [item for item in llm.get_models_with_aliases() if item.model]
    names = [item.model.model_id for item in known]
    plain = [name for name in names if not name.startswith("guarded/")]
    assert sorted(name for name in names if name.startswith("guarded/")) == sorted(f"guarded/{name}" for name in plain)
    assert llm.get_model("guarded/f").model_id == "guarded/fake"


def test_the_command_line_of_llm_knows_guarded_models(fake_llm):
    from click.testing import CliRunner
    from llm.cli import cli

    done = CliRunner().invoke(cli, ["-m", "guarded/fake", "--no-log", "I am Ada"])
    assert done.output.strip() == "You said: I am Ada"
    done = CliRunner().invoke(cli, ["-m", "guarded/fake", "--no-log", ATTACK])
    assert done.exit_code == 1
    assert "Malicious prompt. Scanners triggered: prompt_injection" in done.output
