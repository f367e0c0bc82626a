"""LangChain: agents and runnables."""

from __future__ import annotations

import dataclasses

import pytest

pytest.importorskip("langchain")

import pydantic
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRequest, ModelResponse
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

from scanner_client import MaliciousOutput, MaliciousPrompt
from scanner_client.integrations.langchain import ScannerMiddleware, guard
from tests.client.conftest import ATTACK


class FakeModel(GenericFakeChatModel):
    """Answers what it was told to, and remembers what it was asked."""

    seen: list = []  # noqa: RUF012  # a field of pydantic

    def _generate(self, messages, *arguments, **options):
        self.seen.append(messages)
        return super()._generate(messages, *arguments, **options)

    def bind_tools(self, tools, **options):
        return self


def model(*answers):
    return FakeModel(messages=iter(answers), seen=[])


def ask(text):
    return {"messages": [HumanMessage(text)]}


def test_an_agent_sees_placeholders_and_its_tools_see_values(scanner):
    called = []

    def mail(to: str) -> str:
        """Send mail."""
        called.append(to)
        return "sent to Ada"

    call = {"name": "mail", "args": {"to": "[PERSON_1]"}, "id": "1"}
    llm = model(AIMessage("", tool_calls=[call]), AIMessage("Done, [PERSON_1]"))
    agent = create_agent(llm, [mail], middleware=[ScannerMiddleware(scanner)])
    answer = agent.invoke(ask("I am Ada"))
    assert answer["messages"][-1].content == "Done, Ada"
    assert called == ["Ada"]
    assert "Ada" not in str(llm.seen)


def test_a_streaming_agent_shows_nothing_that_is_not_scanned(scanner):
    agent = create_agent(model("Hello [PERSON_1]"), middleware=[ScannerMiddleware(scanner)])
    shown = [message.content for message, _ in agent.stream(ask("I am Ada"), stream_mode="messages")]
    assert "".join(shown) == "Hello Ada"
    agent = create_agent(model("You idiot"), middleware=[ScannerMiddleware(scanner)])
    shown = []
    with pytest.raises(MaliciousOutput):
        shown.extend(message.content for message, _ in agent.stream(ask("hello"), stream_mode="messages"))
    assert shown == []


def test_an_agent_raises_or_refuses(scanner):
    def search() -> str:
        """Search."""
        return ATTACK

    with pytest.raises(MaliciousPrompt):
        create_agent(model(), middleware=[ScannerMiddleware(scanner)]).invoke(ask(ATTACK))
    with pytest.raises(MaliciousOutput):
        create_agent(model("You idiot"), middleware=[ScannerMiddleware(scanner)]).invoke(ask("hello"))
    refusing = ScannerMiddleware(scanner, refusal="I won't.")
    call = AIMessage("", tool_calls=[{"name": "search", "args": {}, "id": "1"}])
    answer = create_agent(model(call), [search], middleware=[refusing]).invoke(ask("hello"))
    assert answer["messages"][-1].content == "I won't."


class Mail(pydantic.BaseModel, frozen=True):
    to: list[str]


@dataclasses.dataclass(frozen=True)
class Letter:
    to: str


@pytest.mark.parametrize(
    ("made", "safe"),
    [
        (Mail(to=["[PERSON_1]"]), Mail(to=["Ada"])),
        (Letter("[PERSON_1]"), Letter("Ada")),
        ({"to": "[PERSON_1]"}, {"to": "Ada"}),
        (None, None),
    ],
    ids=["pydantic", "dataclass", "dict", "none"],
)
def test_what_is_made_of_an_answer_is_scanned_with_it(scanner, run_async, made, safe):
    request = ModelRequest(model=model(), messages=[HumanMessage("I am Ada")])

    def answer(made):
        return ModelResponse(result=[AIMessage("Hello")], structured_response=made)

    guarded = ScannerMiddleware(scanner)
    assert guarded.wrap_model_call(request, lambda _: answer(made)).structured_response == safe
    with pytest.raises(MaliciousOutput):
        guarded.wrap_model_call(request, lambda _: answer({"to": "idiot"}))
    with pytest.raises(TypeError, match="object can't be scanned"):
        guarded.wrap_model_call(request, lambda _: answer({"to": object()}))

    async def use(scanner):
        async def handler(_):
            return answer(made)

        guarded = ScannerMiddleware(async_scanner=scanner)
        assert (await guarded.awrap_model_call(request, handler)).structured_response == safe

    run_async(use)


@pytest.mark.parametrize(
    "message",
    [
        HumanMessage([{"type": "text-plain", "text": "TEXT", "mime_type": "text/plain"}]),
        HumanMessage([{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "TEXT"}}]),
        HumanMessage([{"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "TEXT"}]}]),
        HumanMessage("hello", name="TEXT"),
        AIMessage([{"type": "tool_use", "id": "1", "name": "f", "input": {"id": "TEXT"}}]),
        AIMessage([{"type": "reasoning", "reasoning": "TEXT"}]),
        AIMessage("hello", additional_kwargs={"reasoning_content": "TEXT", "refusal": "TEXT"}),
        AIMessage("", additional_kwargs={"function_call": {"name": "f", "arguments": '{"a": "TEXT"}'}}),
        AIMessage("", additional_kwargs={"parsed": {"to": "TEXT"}}),
        AIMessage("", invalid_tool_calls=[{"name": "f", "args": "{TEXT", "id": "1", "error": "in TEXT"}]),
        AIMessage("hello", response_metadata={"model_name": "m", "search": [{"title": "TEXT"}]}),
    ],
    ids=str,
)
def test_no_text_of_a_message_goes_around_the_scan(scanner, message):
    def saying(text):
        return type(message).model_validate_json(message.model_dump_json().replace("TEXT", text))

    llm = []
    ask = guard(RunnableLambda(lambda messages: llm.append(messages) or AIMessage("fine")), scanner)
    if not message.response_metadata:  # no provider is sent them
        ask.invoke([saying("Ada")])
        assert llm == [[saying("[PERSON_1]")]]
        with pytest.raises(MaliciousPrompt):
            ask.invoke([saying(ATTACK)])
    if isinstance(message, AIMessage):
        assert guard(RunnableLambda(lambda _: saying("[PERSON_1]")), scanner).invoke("Ada") == saying("Ada")
        with pytest.raises(MaliciousOutput):
            guard(RunnableLambda(lambda _: saying("idiot")), scanner).invoke("Ada")


def test_an_asynchronous_agent_does_the_same(run_async):
    async def use(scanner):
        llm = model("Hello [PERSON_1]")
        agent = create_agent(llm, middleware=[ScannerMiddleware(async_scanner=scanner)])
        assert (await agent.ainvoke(ask("I am Ada")))["messages"][-1].content == "Hello Ada"
        assert "Ada" not in str(llm.seen)
        with pytest.raises(MaliciousPrompt):
            await agent.ainvoke(ask(ATTACK))
        refusing = ScannerMiddleware(async_scanner=scanner, refusal="I won't.")
        answer = await create_agent(model(), middleware=[refusing]).ainvoke(ask(ATTACK))
        assert answer["messages"][-1].content == "I won't."

    run_async(use)


def test_a_guarded_runnable_works_in_a_chain(scanner):
    llm = model("Hello [PERSON_1]", AIMessage([{"type": "text", "text": "Bye [PERSON_1]"}]))
    prompt = ChatPromptTemplate.from_messages([("system", "Be kind."), ("user", "{text}")])
    chain = prompt | guard(llm, scanner) | StrOutputParser()
    assert chain.invoke({"text": "I am Ada"}) == "Hello Ada"
    assert chain.invoke({"text": "I am Ada"}) == "Bye Ada"
    assert "Ada" not in str(llm.seen)
    assert llm.seen[0][0] == SystemMessage("Be kind.")
    with pytest.raises(MaliciousPrompt):
        chain.invoke({"text": ATTACK})
    with pytest.raises(MaliciousOutput):
        guard(model("You idiot"), scanner).invoke("hello")


def test_a_guarded_runnable_takes_texts_and_messages(scanner, run_async):
    echo = guard(RunnableLambda(lambda value: value), scanner)
    assert echo.invoke("I am Ada") == "I am Ada"
    assert echo.invoke(HumanMessage("I am Ada")).content == "I am Ada"
    with pytest.raises(TypeError, match="not dict"):
        echo.invoke({"text": "hello"})
    with pytest.raises(TypeError, match="not list"):
        echo.invoke([HumanMessage("hello")])

    async def use(scanner):
        twin = guard(RunnableLambda(lambda value: value), None, scanner)
        assert await twin.ainvoke("I am Ada") == "I am Ada"
        with pytest.raises(MaliciousPrompt):
            await twin.ainvoke(ATTACK)

    run_async(use)
