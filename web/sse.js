// Server-sent events out of a stream of text.
// https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation

/** Takes text as it comes, cut anywhere, and gives the events that are whole: {name, data}. */
export class SseParser {
  #rest = '';
  #scanned = 0; // of #rest: holds no line end
  #data = [];
  #name = '';

  push(text) {
    this.#rest += text;
    const events = [];
    // A carriage return that comes last may be half of a line end.
    const lineEnd = /\r\n|\n|\r(?!$)/g;
    lineEnd.lastIndex = this.#scanned;
    let begin = 0;
    for (let match; (match = lineEnd.exec(this.#rest)); begin = lineEnd.lastIndex) {
      const event = this.#line(this.#rest.slice(begin, match.index));
      if (event) events.push(event);
    }
    this.#rest = this.#rest.slice(begin);
    this.#scanned = Math.max(0, this.#rest.length - 1);
    return events;
  }

  #line(line) {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value.startsWith(' ')) value = value.slice(1);
    if (field === 'data') this.#data.push(value);
    if (field === 'event') this.#name = value;
    return null;
  }

  #dispatch() {
    const event = this.#data.length > 0 ? {name: this.#name, data: this.#data.join('\n')} : null;
    this.#data = [];
    this.#name = '';
    return event;
  }
}

/** The events of a fetch()'s body, as they come. */
export async function* readEvents(body) {
  const parser = new SseParser();
  const decoder = new TextDecoder(); // drops a byte order mark
  const reader = body.getReader();
  try {
    for (;;) {
      const {done, value} = await reader.read();
      if (done) return;
      yield* parser.push(decoder.decode(value, {stream: true}));
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
