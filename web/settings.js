// What a conversation may ask for beyond its text, and how that reaches the server.

/** Numbers: what is left empty the server decides; `hint` says what it takes then (docs/server.md). */
export const SAMPLING = [
  {
    name: 'temperature',
    label: 'Temperature',
    min: 0,
    max: 2,
    step: 0.05,
    hint: '0.8',
    about: '0 always takes the likeliest token',
  },
  {
    name: 'top_p',
    label: 'Top-p',
    min: 0,
    max: 1,
    step: 0.01,
    hint: '0.95',
    about: 'of the likeliest, this share of probability',
  },
  {
    name: 'top_k',
    label: 'Top-k',
    min: 0,
    max: 1000,
    step: 1,
    hint: '40',
    about: 'of the likeliest, this many; 0: all',
  },
  {
    name: 'min_p',
    label: 'Min-p',
    min: 0,
    max: 1,
    step: 0.01,
    hint: '0.05',
    about: 'at least this share of the likeliest',
  },
  {
    name: 'max_tokens',
    label: 'Max tokens',
    min: 1,
    max: 1000000,
    step: 1,
    hint: 'as fits',
    about: 'where an answer ends at the latest',
  },
  {
    name: 'seed',
    label: 'Seed',
    min: 0,
    max: 4294967295,
    step: 1,
    hint: 'random',
    about: 'the same seed draws the same answer',
  },
];

export const EFFORTS = [
  ['', 'As the model likes'],
  ['none', 'Off'],
  ['low', 'Low'],
  ['medium', 'Medium'],
  ['high', 'High'],
];

/** A number within its bounds, or undefined for what is none. */
export function readNumber({min, max, step}, text) {
  const value = text.trim() === '' ? NaN : Number(text);
  if (!Number.isFinite(value)) return undefined;
  const bounded = Math.min(max, Math.max(min, value));
  return step === 1 ? Math.round(bounded) : bounded;
}

/** The body of a request for what comes after `messages`. */
export function chatRequest(model, settings, messages) {
  const request = {messages: []};
  if (model) request.model = model;
  if (settings.system?.trim()) request.messages.push({role: 'system', content: settings.system});
  for (const {role, content} of messages) {
    if (content === '') continue;
    const last = request.messages.at(-1);
    // What failed before a word came is no answer; many templates want two sides that take turns.
    if (last?.role === role) last.content += `\n\n${content}`;
    else request.messages.push({role, content});
  }
  for (const {name} of SAMPLING) {
    if (settings[name] !== undefined) request[name] = settings[name];
  }
  if (settings.reasoning_effort) request.reasoning_effort = settings.reasoning_effort;
  return request;
}
