"""The official Python clients of OpenAI and Anthropic, unchanged, against a server with a fake model.

Usage: clients_test.py ADDRESS, by script of clients_test.sh. What the fake answers: tests/server/fake_model.hpp.
"""
import asyncio
import base64
import json
import struct
import sys

import anthropic
import openai
import pydantic

base = sys.argv[1]
KEY = "secret-of-the-tests"
client = openai.OpenAI(base_url=base + "/v1", api_key=KEY, max_retries=0, timeout=20)
claude = anthropic.Anthropic(base_url=base, api_key=KEY, max_retries=0, timeout=20)
CALL = 'SAY Look.\n<tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call>'
TWO = ('SAY <tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call>\n'
       '<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>')
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "weather", "description": "d", "parameters": SCHEMA}}
THINK = "THINKING SAY hm\n</think>\n\nyes"
# What a model with each style of template says to call twice, and to go on with a call that was begun for it.
STYLES = {
    "fake": (TWO, 'SAY weather", "arguments": {"city": "Rome"}}</tool_call>', 'SAY "city": "Rome"}}</tool_call>'),
    "plain": (TWO, 'SAY weather", "arguments": {"city": "Rome"}}</tool_call>', 'SAY "city": "Rome"}}</tool_call>'),
    "llama": ('SAY <|python_tag|>{"name": "weather", "parameters": {"city": "Rome"}}; '
              '{"name": "weather", "parameters": {"city": "Oslo"}}',
              'SAY weather", "parameters": {"city": "Rome"}}', 'SAY "city": "Rome"}}'),
}


class City(pydantic.BaseModel):
    city: str


def user(text):
    return [{"role": "user", "content": text}]


def chat(text, **more):
    return client.chat.completions.create(model="fake", messages=user(text), **more)


def expect_error(kind, ask):
    try:
        ask()
    except kind as error:
        return error
    raise AssertionError(f"{kind} was expected")


def chat_completions():
    answer = chat("hi", temperature=0.5, top_p=0.9, presence_penalty=1, frequency_penalty=-1, user="u", seed=3)
    assert answer.choices[0].message.content == "Hello there!", answer
    assert answer.choices[0].finish_reason == "stop" and answer.usage.total_tokens > 12
    assert chat("SAY ab STOP cd", stop=["STOP"]).choices[0].message.content == "ab "
    assert chat("hi", max_completion_tokens=3).choices[0].finish_reason == "length"
    assert len(chat("hi", n=3).choices) == 3
    logprobs = chat("hi", logprobs=True, top_logprobs=2).choices[0].logprobs.content
    assert "".join(token.token for token in logprobs) == "Hello there!" and len(logprobs[0].top_logprobs) == 2
    for form in ({"type": "json_object"}, {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}):
        assert json.loads(chat('SAY {"city": "Rome"}', response_format=form).choices[0].message.content)
    thought = chat(THINK, reasoning_effort="low")
    assert thought.choices[0].message.reasoning_content == "hm" and thought.choices[0].message.content == "yes"
    assert thought.usage.completion_tokens_details.reasoning_tokens > 0
    assert thought.usage.prompt_tokens_details.cached_tokens == 2
    parsed = client.chat.completions.parse(model="fake", messages=user('SAY {"city": "Rome"}'), response_format=City)
    assert parsed.choices[0].message.parsed == City(city="Rome")
    assert chat("SAY aa", extra_body={"response_format": {"type": "regex", "pattern": "a+"}}).choices[0].message.content
    raw = client.chat.completions.with_raw_response.create(
        model="fake", messages=[{"role": "developer", "content": "d"}, *user([{"type": "text", "text": "hi"}])],
        extra_body={"top_k": 5, "min_p": 0.1, "repeat_penalty": 1.1, "chat_template_kwargs": {"a": 1}})
    assert raw.headers["x-request-id"] and raw.parse().object == "chat.completion"
    assert raw.parse().id.startswith("chatcmpl-") and raw.parse().model == "fake"


def chat_streams():
    chunks = list(chat("hi", stream=True, stream_options={"include_usage": True}, n=2))
    for index in (0, 1):
        mine = [choice for chunk in chunks for choice in chunk.choices if choice.index == index]
        assert "".join(choice.delta.content or "" for choice in mine) == "Hello there!"
        assert mine[0].delta.role == "assistant" and mine[-1].finish_reason == "stop"
    assert chunks[-1].usage.completion_tokens == 24 and not chunks[-1].choices
    with client.chat.completions.stream(model="fake", messages=user(TWO), tools=[TOOL]) as stream:
        final = stream.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert [json.loads(call.function.arguments)["city"] for call in calls] == ["Rome", "Oslo"], calls
    assert final.choices[0].finish_reason == "tool_calls"
    chunks = list(chat("hi", stream=True, logprobs=True, top_logprobs=1))
    logprobs = [token for chunk in chunks for token in (chunk.choices[0].logprobs or Empty).content]
    assert "".join(token.token for token in logprobs) == "Hello there!" and logprobs[0].top_logprobs
    assert all(chunk.usage is None for chunk in chunks) and len({chunk.id for chunk in chunks}) == 1
    deltas = [chunk.choices[0].delta for chunk in chat(THINK, stream=True)]
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == "hm"
    assert "".join(delta.content or "" for delta in deltas) == "yes"
    assert list(chat("hi", stream=True, max_tokens=2))[-1].choices[0].finish_reason == "length"
    stopped = list(chat("SAY ab STOP cd", stream=True, stop="STOP"))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stopped) == "ab "
    with client.chat.completions.stream(model="fake", messages=user('SAY {"city": "Rome"}'),
                                        response_format=City) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == City(city="Rome")
    with chat("SLOW", stream=True) as stream:
        next(iter(stream))  # and goes away


class Empty:
    content = ()


def tool_styles():
    choice = {"type": "function", "function": {"name": "weather"}}
    for model, (two, required, named) in STYLES.items():
        def ask(text, **more):
            return client.chat.completions.create(model=model, messages=user(text), tools=[TOOL], **more)

        calls = ask(two).choices[0].message.tool_calls
        assert [json.loads(call.function.arguments)["city"] for call in calls] == ["Rome", "Oslo"], (model, calls)
        parts = [call for chunk in ask(two, stream=True) for call in chunk.choices[0].delta.tool_calls or []]
        for index, city in enumerate(["Rome", "Oslo"]):
            mine = [part for part in parts if part.index == index]
            assert mine[0].id and mine[0].function.name == "weather" and mine[0].type == "function"
            assert len(mine) > 3 and not any(part.id or part.function.name for part in mine[1:]), "arguments stream"
            assert json.loads("".join(part.function.arguments for part in mine)) == {"city": city}
        for text, wanted in ((required, "required"), (named, choice)):
            message = ask(text, tool_choice=wanted).choices[0].message
            assert json.loads(message.tool_calls[0].function.arguments) == {"city": "Rome"}, (model, message)
        one = ask(two, parallel_tool_calls=False, stream=True)
        assert {call.index for chunk in one for call in chunk.choices[0].delta.tool_calls or []} == {0}
        assert ask("hi").choices[0].finish_reason == "stop"


def chat_tools():
    answer = chat(CALL, tools=[TOOL]).choices[0]
    assert answer.message.content == "Look." and answer.finish_reason == "tool_calls"
    call = answer.message.tool_calls[0]
    back = [*user("hi"), answer.message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.id, "content": "sunny"}, *user("SAY fine")]
    assert client.chat.completions.create(model="fake", messages=back, tools=[TOOL]).choices[0].message.content == "fine"
    forced = chat('SAY "city": "Rome"}}', tools=[TOOL],
                  tool_choice={"type": "function", "function": {"name": "weather"}}).choices[0].message
    assert json.loads(forced.tool_calls[0].function.arguments) == {"city": "Rome"}
    single = chat(TWO, tools=[TOOL], parallel_tool_calls=False).choices[0].message
    assert len(single.tool_calls) == 1
    assert chat("hi", tools=[TOOL], tool_choice="none").choices[0].message.content == "Hello there!"


def completions():
    answer = client.completions.create(model="fake", prompt=["SAY ab", "SAY cd"], echo=True, logprobs=None)
    assert [choice.text for choice in answer.choices] == ["SAY abab", "SAY cdcd"]
    assert client.completions.create(model="fake", prompt="SAY ab", logprobs=1).choices[0].logprobs.tokens == ["a", "b"]
    chunks = client.completions.create(model="fake", prompt="SAY abcdef", stream=True)
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == "abcdef"
    chunks = list(client.completions.create(model="fake", prompt="SAY abcdef", stream=True, n=2, logprobs=1, seed=1,
                                            stream_options={"include_usage": True}))
    for index in (0, 1):
        mine = [choice for chunk in chunks for choice in chunk.choices if choice.index == index]
        assert "".join(token for choice in mine if choice.logprobs for token in choice.logprobs.tokens) == "abcdef"
        assert mine[-1].finish_reason == "stop"
    assert chunks[-1].usage.completion_tokens == 12
    answer = client.completions.create(model="fake", prompt=[list(b"SAY ab;cd"), list(b"hi")], stop=";", max_tokens=5,
                                       presence_penalty=0.5, frequency_penalty=0.5, top_p=0.5, temperature=0, user="u")
    assert [(choice.text, choice.finish_reason) for choice in answer.choices] == [("ab", "stop"), ("Hello", "length")]
    assert len(client.completions.create(model="fake", prompt="hi", n=3, best_of=3).choices) == 3
    for field in ({"suffix": "end"}, {"best_of": 2}, {"prompt": [1, 700]}, {"prompt": []}, {"logprobs": 99}):
        error = expect_error(openai.BadRequestError, lambda: client.completions.create(
            **{"model": "fake", "prompt": "hi", **field}))
        assert error.param in field, error


def responses():
    answer = client.responses.create(model="fake", input="hi", instructions="be kind")
    assert answer.output_text == "Hello there!" and answer.status == "completed"
    tool = {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}
    called = client.responses.create(model="fake", input=THINK.replace("yes", CALL[4:]), tools=[tool])
    assert [item.type for item in called.output] == ["reasoning", "message", "function_call"], called
    back = [*user("hi"), *(item.model_dump(exclude_none=True) for item in called.output),
            {"type": "function_call_output", "call_id": called.output[2].call_id, "output": "sunny"}, *user("SAY fine")]
    assert client.responses.create(model="fake", input=back, tools=[tool]).output_text == "fine"
    with client.responses.stream(model="fake", input=CALL, tools=[tool]) as stream:
        names = [event.type for event in stream]
        final = stream.get_final_response()
    assert names[0] == "response.created" and names[-1] == "response.completed"
    assert list(dict.fromkeys(names)) == [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
        "response.output_text.delta", "response.output_text.done", "response.content_part.done",
        "response.output_item.done", "response.function_call_arguments.delta",
        "response.function_call_arguments.done", "response.completed"], names
    assert names.count("response.function_call_arguments.delta") > 3
    assert final.output_text == "Look." and json.loads(final.output[1].arguments) == {"city": "Rome"}
    short = client.responses.create(model="fake", input="hi", max_output_tokens=2, temperature=0.5, top_p=0.5)
    assert short.status == "incomplete" and short.incomplete_details.reason == "max_output_tokens"
    parsed = client.responses.parse(model="fake", input=user('SAY {"city": "Rome"}'), text_format=City)
    assert parsed.output_parsed == City(city="Rome")
    logged = client.responses.create(model="fake", input="hi", include=["message.output_text.logprobs"],
                                     top_logprobs=2)
    assert len(logged.output[0].content[0].logprobs) == 12 and logged.usage.output_tokens == 12
    events = list(client.responses.create(model="fake", input=THINK, stream=True, reasoning={"effort": "low"}))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    thought = [event.delta for event in events if event.type == "response.reasoning_text.delta"]
    assert "".join(thought) == "hm" and events[-1].response.output_text == "yes"
    forced = client.responses.create(model="llama", input=STYLES["llama"][2], tools=[tool], parallel_tool_calls=False,
                                     tool_choice={"type": "function", "name": "weather"})
    assert json.loads(forced.output[0].arguments) == {"city": "Rome"}
    cut = list(client.responses.create(model="fake", input="hi", max_output_tokens=2, stream=True))
    assert cut[-1].type == "response.incomplete"
    failed = list(client.responses.create(model="fake", input="FAIL", stream=True))
    assert failed[-1].type == "response.failed" and failed[-1].response.error.message
    for field in ({"previous_response_id": "resp_1"}, {"background": True}, {"tools": [{"type": "web_search"}]}):
        expect_error(openai.BadRequestError, lambda: client.responses.create(model="fake", input="hi", **field))
    expect_error(openai.NotFoundError, lambda: client.responses.create(model="none", input="hi"))
    expect_error(openai.RateLimitError, lambda: client.responses.create(model="fake", input="FULL"))


def embeddings():
    def embed(text, **more):
        return client.embeddings.create(model="fake", input=text, **more)

    # The client asks for base64 by itself, and turns it into numbers.
    answer = embed(["aaabbbb", "c"])
    assert [round(number, 4) for number in answer.data[0].embedding] == [0, 0.6, 0.8, 0, 0, 0, 0, 0], answer
    assert [entry.index for entry in answer.data] == [0, 1] and answer.data[1].embedding[3] == 1
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 8 and answer.model == "fake"
    assert embed("aaabbbb", encoding_format="float").data[0].embedding == [0, 0.6, 0.8, 0, 0, 0, 0, 0]
    raw = embed("aaabbbb", encoding_format="base64", dimensions=2, user="u").data[0].embedding
    assert struct.unpack("<2f", base64.b64decode(raw)) == (0, 1)
    assert embed(list(b"aa")).data[0].embedding[1] == embed([list(b"aa"), list(b"b")]).data[1].embedding[2] == 1
    assert len(embed(["x"] * 300).data) == 300
    error = expect_error(openai.BadRequestError, lambda: embed(["a", "x" * 5000]))
    assert error.code == "context_length_exceeded" and error.param == "input[1]" and "5000" in error.message
    for field in ({"input": ""}, {"input": []}, {"input": ["a"] * 2049}, {"dimensions": 9}):
        error = expect_error(openai.BadRequestError, lambda: client.embeddings.create(
            **{"model": "fake", "input": "a", **field}))
        assert error.param in field, error
    expect_error(openai.RateLimitError, lambda: embed("FULL"))
    expect_error(openai.NotFoundError, lambda: client.embeddings.create(model="none", input="x"))
    assert expect_error(openai.InternalServerError, lambda: embed("FAIL")).status_code == 503


def models():
    assert [model.id for model in client.models.list()] == ["fake", "llama", "plain"]
    assert client.models.retrieve("llama").owned_by == "caldera"
    expect_error(openai.NotFoundError, lambda: client.models.retrieve("none"))
    assert [model.id for model in claude.models.list()] == ["fake", "llama", "plain"]
    assert claude.models.retrieve("fake").display_name == "fake"
    expect_error(anthropic.NotFoundError, lambda: claude.models.retrieve("none"))


def at_once():
    """Eight streams of one asynchronous client side by side."""
    async def one(many, text):
        stream = await many.chat.completions.create(model="fake", messages=user("SAY " + text), stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def all_of(texts):
        async with openai.AsyncOpenAI(base_url=base + "/v1", api_key=KEY, max_retries=0, timeout=20) as many:
            return await asyncio.gather(*(one(many, text) for text in texts))

    texts = [f"{i} bottles of beer" for i in range(8)]
    assert asyncio.run(all_of(texts)) == texts


def openai_errors():
    assert expect_error(openai.NotFoundError, lambda: client.chat.completions.create(
        model="none", messages=user("hi"))).code == "model_not_found"
    assert expect_error(openai.BadRequestError, lambda: chat("hi", temperature=3)).param == "temperature"
    assert expect_error(openai.BadRequestError, lambda: chat("x" * 5000)).code == "context_length_exceeded"
    assert expect_error(openai.BadRequestError, lambda: chat("hi", logit_bias={"1": 5})).param == "logit_bias"
    limited = expect_error(openai.RateLimitError, lambda: chat("FULL"))
    assert limited.response.headers["retry-after"] == "7"
    assert expect_error(openai.InternalServerError, lambda: chat("FAIL")).status_code == 503
    expect_error(openai.APIError, lambda: list(chat("FAIL", stream=True)))
    expect_error(openai.AuthenticationError, lambda: client.with_options(api_key="another").models.list())
    expect_error(openai.NotFoundError, lambda: client.get("/nothing", cast_to=object))
    expect_error(openai.APIStatusError, lambda: client.get("/embeddings", cast_to=object))
    for field in ({"messages": []}, {"n": 1000}, {"stop": [""]}, {"tool_choice": "required"}, {"top_logprobs": 3},
                  {"stream_options": {"include_usage": True}}, {"modalities": ["audio"]}, {"max_tokens": 0}):
        error = expect_error(openai.BadRequestError, lambda: client.chat.completions.create(
            **{"model": "fake", "messages": user("hi"), **field}))
        assert error.param in field and error.type == "invalid_request_error", error
    schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"impossible": 1}}}
    expect_error(openai.BadRequestError, lambda: chat("hi", response_format=schema))


def messages():
    def ask(text, **more):
        return claude.messages.create(model="fake", max_tokens=1000, messages=user(text), **more)

    answer = ask("hi", system="be kind", metadata={"user_id": "u"}, extra_body={"top_k": 4})
    assert answer.content[0].text == "Hello there!" and answer.stop_reason == "end_turn"
    assert ask("SAY a END b", stop_sequences=["END"]).stop_sequence == "END"
    assert claude.messages.create(model="fake", max_tokens=2, messages=user("hi")).stop_reason == "max_tokens"
    tool = {"name": "weather", "input_schema": SCHEMA}
    called = ask(CALL, tools=[tool])
    assert called.stop_reason == "tool_use" and called.content[1].input == {"city": "Rome"}
    back = [*user("hi"), {"role": "assistant", "content": [block.model_dump() for block in called.content]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": called.content[1].id,
                                          "content": "sunny"}, {"type": "text", "text": "SAY fine"}]}]
    assert claude.messages.create(model="fake", max_tokens=99, messages=back, tools=[tool]).content[0].text == "fine"
    thought = ask(THINK, thinking={"type": "enabled", "budget_tokens": 1024})
    assert [block.type for block in thought.content] == ["thinking", "text"]
    with claude.messages.stream(model="fake", max_tokens=999, messages=user(THINK.replace("yes", CALL[4:])),
                                tools=[tool]) as stream:
        final = stream.get_final_message()
    assert [block.type for block in final.content] == ["thinking", "text", "tool_use"], final
    assert final.content[0].thinking == "hm" and final.content[2].input == {"city": "Rome"}
    assert final.usage.output_tokens > 20 and final.stop_reason == "tool_use"
    few = claude.messages.count_tokens(model="fake", messages=user("hi")).input_tokens
    more = claude.messages.count_tokens(model="fake", messages=user("hi"), tools=[tool], system="be kind",
                                        tool_choice={"type": "auto"}, thinking={"type": "disabled"}).input_tokens
    assert 5 < few < more - 50
    for model, (two, required, named) in STYLES.items():
        def call(text, **more):
            blocks = claude.messages.create(model=model, max_tokens=999, messages=user(text), tools=[tool], **more).content
            return [block.input["city"] for block in blocks if block.type == "tool_use"]

        assert call(two) == ["Rome", "Oslo"]
        assert call(two, tool_choice={"type": "auto", "disable_parallel_tool_use": True}) == ["Rome"]
        assert call(required, tool_choice={"type": "any"}) == ["Rome"]
        assert call(named, tool_choice={"type": "tool", "name": "weather"}) == ["Rome"]
        assert call("hi", tool_choice={"type": "none"}) == []
    events = list(ask(THINK.replace("yes", CALL[4:]), tools=[tool], stream=True))
    assert [event.type for event in events if event.type.startswith("message")] == [
        "message_start", "message_delta", "message_stop"]
    for kind, start in (("thinking_delta", 0), ("text_delta", 1), ("input_json_delta", 2)):
        mine = [event for event in events if event.type == "content_block_delta" and event.delta.type == kind]
        assert mine and {event.index for event in mine} == {start}
    assert any(event.type == "content_block_delta" and event.delta.type == "signature_delta" for event in events)
    with claude.messages.stream(model="fake", max_tokens=99, messages=user("SAY a END b"), stop_sequences=["END"],
                                system=[{"type": "text", "text": "be kind"}],
                                extra_body={"temperature": 0.5, "top_p": 0.9}) as stream:
        assert "".join(stream.text_stream) == "a "
        assert stream.get_final_message().stop_reason == "stop_sequence"
    with ask("SLOW", stream=True) as stream:
        next(iter(stream))  # and goes away
    expect_error(anthropic.BadRequestError, lambda: ask("hi", extra_body={"temperature": 5}))
    assert expect_error(anthropic.RateLimitError, lambda: ask("FULL")).response.headers["retry-after"] == "7"
    assert expect_error(anthropic.InternalServerError, lambda: ask("FAIL")).status_code == 503
    expect_error(anthropic.AuthenticationError, lambda: claude.with_options(api_key="another").models.list())
    error = expect_error(anthropic.BadRequestError, lambda: ask("x" * 5000))
    assert error.body["type"] == "error" and error.body["error"]["type"] == "invalid_request_error"
    expect_error(anthropic.NotFoundError, lambda: claude.messages.create(
        model="none", max_tokens=9, messages=user("hi")))
    expect_error(anthropic.APIError, lambda: list(claude.messages.create(
        model="fake", max_tokens=9, messages=user("FAIL"), stream=True)))


for test in (chat_completions, chat_streams, chat_tools, tool_styles, completions, responses, embeddings, models, at_once,
             openai_errors, messages):
    test()
    print("ok", test.__name__)
