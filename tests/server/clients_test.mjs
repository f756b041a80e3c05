// The official JavaScript client of OpenAI, unchanged, against a server with a fake model: clients_test.sh starts both.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [, , base, modules] = process.argv;
const OpenAI = createRequire(modules + "/package.json")("openai").default;
const client = new OpenAI({ baseURL: base + "/v1", apiKey: "secret-of-the-tests", maxRetries: 0, timeout: 20000 });
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

const types = new Set();
const tool = { type: "function", name: "weather", parameters, strict: false };
for await (const event of await client.responses.create({ model: "fake", input: call, tools: [tool], stream: true })) {
  types.add(event.type);
}
assert(types.has("response.function_call_arguments.delta") && types.has("response.output_text.delta"));
const failed = await client.responses.stream({ model: "fake", input: "hi", max_output_tokens: 2 }).finalResponse();
assert.equal(failed.status, "incomplete");

const logged = await client.chat.completions.create({ model: "fake", messages, logprobs: true, top_logprobs: 2, stop: "there" });
assert.equal(logged.choices[0].logprobs.content[0].top_logprobs.length, 2);
assert.equal(logged.choices[0].message.content, "Hello ");
// The client's own loop: the tool is called, and its result sent back.
const cities = [];
const weather = { name: "weather", parameters, parse: JSON.parse, description: "d",
                  function: ({ city }) => { cities.push(city); return "SAY fine"; } };
const runner = client.chat.completions.runTools({ model: "fake", tools: [{ type: "function", function: weather }],
                                                  messages: [{ role: "user", content: call }] });
assert.equal(await runner.finalContent(), "fine");
assert.deepEqual(cities, ["Rome"]);

const embedded = await client.embeddings.create({ model: "fake", input: ["aaabbbb", "c"] });
assert.deepEqual(embedded.data[0].embedding.map((x) => Math.round(x * 10) / 10), [0, 0.6, 0.8, 0, 0, 0, 0, 0]);
const short = await client.embeddings.create({ model: "fake", input: "aaabbbb", dimensions: 2, encoding_format: "float" });
assert.deepEqual(short.data[0].embedding, [0, 1]);
assert.equal(short.usage.total_tokens, 7);
await assert.rejects(client.embeddings.create({ model: "fake", input: "" }), OpenAI.BadRequestError);

const names = [];
for await (const model of client.models.list()) names.push(model.id);
assert.deepEqual(names, ["fake", "llama", "plain"]);
const slow = await client.chat.completions.create({ model: "fake", messages: [{ role: "user", content: "SLOW" }], stream: true });
for await (const chunk of slow) {
  assert.equal(chunk.object, "chat.completion.chunk");
  slow.controller.abort();
}

const completion = await client.completions.create({ model: "fake", prompt: "SAY abc" });
assert.equal(completion.choices[0].text, "abc");
await assert.rejects(client.chat.completions.create({ model: "none", messages }), OpenAI.NotFoundError);
await assert.rejects(client.chat.completions.create({ model: "fake", messages, temperature: 9 }), OpenAI.BadRequestError);
const ask = (content, more = {}) => client.chat.completions.create({ model: "fake", messages: [{ role: "user", content }], ...more });
await assert.rejects(ask("FULL"), OpenAI.RateLimitError);
await assert.rejects(ask("FAIL"), OpenAI.InternalServerError);
await assert.rejects(client.withOptions({ apiKey: "another" }).models.list(), OpenAI.AuthenticationError);
await assert.rejects(async () => {
  for await (const _ of await ask("FAIL", { stream: true }));
}, OpenAI.APIError);
console.log("ok");
