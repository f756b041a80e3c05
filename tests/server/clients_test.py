"""The official Python clients of OpenAI and Anthropic, unchanged, against a server with a fake model.

Usage: clients_test.py ADDRESS, by script of clients_test.sh. What the fake answers: tests/server/fake_model.hpp.
"""
import json
import sys

import anthropic
import openai

base = sys.argv[1]
client = openai.OpenAI(base_url=base + "/v1", api_key="none", max_retries=0, timeout=20)
claude = anthropic.Anthropic(base_url=base, api_key="none", max_retries=0, timeout=20)
CALL = 'SAY Look.\n<tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call>'
TWO = ('SAY <tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call>\n'
       '<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>')
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "weather", "description": "d", "parameters": SCHEMA}}
THINK = "THINKING SAY hm\n</think>\n\nyes"


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
    assert chat(THINK, reasoning_effort="low").choices[0].message.reasoning_content == "hm"


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
    assert final.output_text == "Look." and json.loads(final.output[1].arguments) == {"city": "Rome"}
    assert client.responses.create(model="fake", input="hi", max_output_tokens=2).status == "incomplete"


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
    assert expect_error(openai.InternalServerError, lambda: client.embeddings.create(
        model="fake", input="x")).status_code == 501


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
    assert claude.messages.count_tokens(model="fake", messages=user("hi")).input_tokens > 5
    expect_error(anthropic.BadRequestError, lambda: ask("hi", extra_body={"temperature": 5}))
    expect_error(anthropic.RateLimitError, lambda: ask("FULL"))
    expect_error(anthropic.NotFoundError, lambda: claude.messages.create(
        model="none", max_tokens=9, messages=user("hi")))
    expect_error(anthropic.APIError, lambda: list(claude.messages.create(
        model="fake", max_tokens=9, messages=user("FAIL"), stream=True)))


for test in (chat_completions, chat_streams, chat_tools, completions, responses, openai_errors, messages):
    test()
    print("ok", test.__name__)
