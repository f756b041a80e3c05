// The server, as the page asks it.

import {readPreference, writePreference} from './preferences.js';
import {readEvents} from './sse.js';

export class ApiError extends Error {
  /** `status`: of HTTP; 0: there was no answer. `retryAfter`: seconds, where the server said. */
  constructor(message, status, retryAfter) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

export class Api {
  #key = readPreference('key', '');

  /** Called when the server wants a key, or another one; `insists`: for what somebody has just asked. */
  onKeyWanted = (insists) => {};

  get key() {
    return this.#key;
  }

  set key(key) {
    this.#key = key;
    writePreference('key', key);
  }

  async models() {
    return (await this.#json('/v1/models')).data;
  }

  /** docs/server.md says what is in it. */
  async status() {
    return this.#json('/v1/status');
  }

  /** The chunks of an answer, as they come. Throws ApiError; AbortError when `signal` says so. */
  async *chat(request, signal) {
    const response = await this.#fetch('/v1/chat/completions', {
      method: 'POST',
      headers: {'Content-Type': 'application/json'},
      body: JSON.stringify({...request, stream: true, stream_options: {include_usage: true}}),
      signal,
    });
    try {
      for await (const event of readEvents(response.body)) {
        if (event.data === '[DONE]') return;
        const chunk = JSON.parse(event.data);
        if (chunk.error)
          throw new ApiError(chunk.error.message ?? 'the server reports an error', response.status);
        yield chunk;
      }
    } catch (error) {
      if (error.name === 'AbortError' || error instanceof ApiError) throw error;
      throw new ApiError('The connection to the server broke off.', 0);
    }
    throw new ApiError('The answer broke off.', 0);
  }

  async #json(path) {
    return (await this.#fetch(path)).json();
  }

  async #fetch(path, options = {}) {
    const key = this.#key;
    const headers = {...options.headers};
    if (key) headers.Authorization = `Bearer ${key}`;
    let response;
    try {
      response = await fetch(path, {...options, headers, cache: 'no-store', credentials: 'omit'});
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw new ApiError('The server does not answer.', 0);
    }
    if (response.ok) return response;
    // Unless another key was given meanwhile.
    if (response.status === 401 && key === this.#key) this.onKeyWanted(options.method === 'POST');
    throw await readError(response);
  }
}

async function readError(response) {
  let message = '';
  try {
    message = (await response.json()).error.message;
  } catch {
    // A proxy's page, perhaps.
  }
  const retryAfter = parseInt(response.headers.get('Retry-After') ?? '', 10);
  return new ApiError(
    message || `The server answered ${response.status}.`,
    response.status,
    retryAfter || undefined,
  );
}
