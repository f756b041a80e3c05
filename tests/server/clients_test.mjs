// The official JavaScript client of OpenAI, unchanged, against a server with a fake model: clients_test.sh starts both.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [, , base, modules] = process.argv;
const OpenAI = createRequire(modules + "/package.json")("openai").default;
const client = new OpenAI({ baseURL: base + "/v1", apiKey: "none", maxRetries: 0, timeout: 20000 });
const messages = [{ role: "user", content: "hi" }];
const call = 'SAY Look.\n<tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call>';
const parameters = { type: "object", properties: { city: { type: "string" } } };

const answer = await client.chat.completions.create({ model: "fake", messages, n: 2, seed: 1 });
assert.equal(answer.choices[1].message.content, "Hello there!");

let text = "";
let usage;
const options = { stream: true, stream_options: { include_usage: true } };
for await (const chunk of await client.chat.completions.create({ model: "fake", messages, ...options })) {
  text += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}
assert.equal(text, "Hello there!");
assert.equal(usage.completion_tokens, 12);

const tools = [{ type: "function", function: { name: "weather", parameters } }];
const stream = client.chat.completions.stream({ model: "fake", messages: [{ role: "user", content: call }], tools });
const final = await stream.finalChatCompletion();
assert.equal(final.choices[0].message.tool_calls[0].function.arguments, '{"city": "Rome"}');
assert.equal(final.choices[0].finish_reason, "tool_calls");

const events = [];
const answered = await client.responses.create({ model: "fake", input: "hi" });
assert.equal(answered.output_text, "Hello there!");
for await (const event of await client.responses.create({ model: "fake", input: "hi", stream: true })) {
  events.push(event.type);
}
assert.equal(events.at(-1), "response.completed");

const completion = await client.completions.create({ model: "fake", prompt: "SAY abc" });
assert.equal(completion.choices[0].text, "abc");
await assert.rejects(client.chat.completions.create({ model: "none", messages }), OpenAI.NotFoundError);
await assert.rejects(client.chat.completions.create({ model: "fake", messages, temperature: 9 }), OpenAI.BadRequestError);
console.log("ok");
