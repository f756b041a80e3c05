// One answer: what comes from the server becomes the content of a message.

import {chatRequest} from './settings.js';

/**
 * What is known of an answer's speed and size. `completion` counts tokens; while they come, and where an
 * answer was stopped, it is the pieces that came, hardly ever fewer.
 * @typedef {{prompt?: number, cached?: number, completion: number, exact: boolean, first: number,
 *   seconds: number}} Figures `first` and `seconds`: from the request to the first and to the last piece
 */

/** Tokens a second after the first, or null where there is too little to say. */
export function tokensPerSecond(figures) {
  if (!figures || figures.completion < 2 || figures.seconds <= figures.first) return null;
  return (figures.completion - 1) / (figures.seconds - figures.first);
}

/**
 * Answers `messages` into `message`, and calls `changed` whenever there is more of it. Never throws: how it
 * ended is in `message.state` and `message.error`.
 */
export async function answer(api, {model, settings, messages}, message, signal, changed) {
  const began = performance.now();
  const figures = {completion: 0, exact: false, first: 0, seconds: 0};
  Object.assign(message, {content: '', reasoning: '', state: 'streaming', model, figures});
  changed();
  try {
    for await (const chunk of api.chat(chatRequest(model, settings, messages), signal)) {
      if (chunk.model) message.model = chunk.model;
      if (chunk.usage) readUsage(figures, chunk.usage);
      const choice = chunk.choices?.[0];
      if (!choice) continue;
      if (choice.finish_reason) message.finish = choice.finish_reason;
      const {content, reasoning_content: reasoning} = choice.delta ?? {};
      if (!content && !reasoning) continue;
      message.content += content ?? '';
      message.reasoning += reasoning ?? '';
      figures.seconds = (performance.now() - began) / 1000;
      if (figures.completion++ === 0) figures.first = figures.seconds;
      changed();
    }
    message.state = 'done';
  } catch (error) {
    if (error.name === 'AbortError') {
      message.state = 'stopped';
    } else {
      message.state = 'failed';
      message.error = describe(error);
    }
  }
  changed();
}

function readUsage(figures, usage) {
  figures.prompt = usage.prompt_tokens;
  figures.cached = usage.prompt_tokens_details?.cached_tokens ?? 0;
  figures.completion = usage.completion_tokens;
  figures.exact = true;
}

function describe(error) {
  if (error.status === 429 && error.retryAfter) {
    return `The server has too much to do; it asks to wait ${error.retryAfter} s.`;
  }
  const text = error.message || String(error);
  return text[0].toUpperCase() + text.slice(1);
}
