// The text of a paragraph to a tree: emphasis, code, links, line breaks. Emphasis is found as
// https://spec.commonmark.org/0.31.2/#phase-2-inline-structure says, in time that grows with the text's
// length alone.

const MAX_DEPTH = 24; // of emphasis in emphasis: what is deeper stays text
const MAX_BRACKETS = 32; // that wait for their end: older ones are text

const PLAIN = /[^\\`*_~[\]!<&\nh]+/y;
const PUNCTUATION = /[!-/:-@[-`{-~\p{P}\p{S}]/u;
const SPACE = /\s/u;
const BARE_URL = /https?:\/\/[^\s<>`]+/y;
const ANGLE_URL = /<(https?:\/\/[^\s<>]*)>/y;
const BREAK = /<br *\/?>/iy;
// (URL "title"), the URL in angle brackets or with balanced parentheses.
const PARENTHESES = String.raw`(?:\([^\s()<>]{0,512}\)[^\s()<>]{0,512})`;
const URL_PART = `<([^<>\\n]{0,4096})>|([^\\s()<>]{0,4096}${PARENTHESES}{0,4})`;
const TITLE_PART = String.raw`"([^"\n]{0,512})"|'([^'\n]{0,512})'`;
const TARGET = new RegExp(String.raw`\(\s{0,8}(?:${URL_PART})(?:\s{1,8}(?:${TITLE_PART}))?\s{0,8}\)`, 'y');
const ENTITY = /&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|(amp|lt|gt|quot|apos|nbsp));/y;
const NAMED = {amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0'};

/**
 * @typedef {{type: 'text' | 'code' | 'math', text: string}
 *   | {type: 'strong' | 'em' | 'del', children: Inline[]}
 *   | {type: 'link', href: string, title: string, children: Inline[]}
 *   | {type: 'break'}} Inline
 */

/** @returns {Inline[]} */
export function parseInline(text) {
  return new InlineParser(text).parse();
}

/** `url` where it is one that a link may lead to, with http or https; else null. */
export function safeUrl(url) {
  if (!/^https?:\/\//i.test(url)) return null;
  try {
    return new URL(url).href;
  } catch {
    return null;
  }
}

class InlineParser {
  constructor(text) {
    this.text = text;
    this.at = 0;
    this.items = [];
    this.brackets = []; // indices into `items`
    this.missing = new Set(); // ends that were looked for from here on, and are not there
  }

  parse() {
    while (this.at < this.text.length) this.step();
    return resolveEmphasis(this.items);
  }

  step() {
    const plain = this.match(PLAIN);
    if (plain) return this.put(plain[0]);
    const char = this.text[this.at];
    switch (char) {
      case '\\':
        return this.backslash();
      case '`':
        return this.code();
      case '*':
      case '_':
      case '~':
        return this.delimiter(char);
      case '!':
        return this.text[this.at + 1] === '[' ? this.openBracket('![') : this.literal(1);
      case '[':
        return this.openBracket('[');
      case ']':
        return this.closeBracket();
      case '<':
        return this.angle();
      case '&':
        return this.entity();
      case '\n':
        ++this.at;
        return this.add({type: 'break'});
      default:
        return this.bareUrl();
    }
  }

  match(pattern) {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text);
    if (match) this.at += match[0].length;
    return match;
  }

  add(node) {
    this.items.push(node);
  }

  put(text) {
    const last = this.items.at(-1);
    if (last && last.type === 'text') last.text += text;
    else this.add({type: 'text', text});
  }

  literal(length) {
    this.put(this.text.slice(this.at, this.at + length));
    this.at += length;
  }

  /** Where `end` comes next from `from` on, or -1; looks to the end of the text once for each `end`. */
  find(end, from) {
    if (this.missing.has(end)) return -1;
    const at = this.text.indexOf(end, from);
    if (at < 0) this.missing.add(end);
    return at;
  }

  backslash() {
    const next = this.text[this.at + 1] ?? '';
    if (next === '(' || next === '[') {
      const close = this.find(next === '(' ? '\\)' : '\\]', this.at + 2);
      if (close >= 0) {
        this.add({type: 'math', text: this.text.slice(this.at + 2, close).trim()});
        this.at = close + 2;
        return;
      }
    }
    if (next === '\n') {
      this.at += 2;
      this.add({type: 'break'});
    } else if (/[!-/:-@[-`{-~]/.test(next)) {
      this.put(next);
      this.at += 2;
    } else {
      this.literal(1);
    }
  }

  code() {
    const run = /`+/y;
    run.lastIndex = this.at;
    const marks = run.exec(this.text)[0];
    if (!this.missing.has(marks)) {
      const runs = /`+/g;
      runs.lastIndex = this.at + marks.length;
      for (let match; (match = runs.exec(this.text));) {
        if (match[0] !== marks) continue;
        let text = this.text.slice(this.at + marks.length, match.index).replace(/\n/g, ' ');
        if (/^ .* $/.test(text) && /\S/.test(text)) text = text.slice(1, -1);
        this.add({type: 'code', text});
        this.at = runs.lastIndex;
        return;
      }
      this.missing.add(marks);
    }
    this.literal(marks.length);
  }

  delimiter(char) {
    let end = this.at;
    while (this.text[end] === char) ++end;
    const count = end - this.at;
    if (char === '~' && count !== 2) return this.literal(count); // "~5" is about five
    const before = this.text[this.at - 1] ?? ' ';
    const after = this.text[end] ?? ' ';
    const left =
      !SPACE.test(after) && (!PUNCTUATION.test(after) || SPACE.test(before) || PUNCTUATION.test(before));
    const right =
      !SPACE.test(before) && (!PUNCTUATION.test(before) || SPACE.test(after) || PUNCTUATION.test(after));
    const inside = char === '_';
    this.add({
      type: 'delimiter',
      char,
      count,
      length: count,
      opens: left && (!inside || !right || PUNCTUATION.test(before)),
      closes: right && (!inside || !left || PUNCTUATION.test(after)),
    });
    this.at = end;
  }

  openBracket(mark) {
    this.brackets.push(this.items.length);
    if (this.brackets.length > MAX_BRACKETS) this.brackets.shift();
    this.add({type: 'bracket', text: mark});
    this.at += mark.length;
  }

  closeBracket() {
    const open = this.brackets.pop();
    ++this.at;
    if (open === undefined) return this.put(']');
    const target = this.target();
    if (!target) {
      this.items[open].type = 'text';
      return this.add({type: 'text', text: ']'});
    }
    const [bracket, ...inner] = this.items.splice(open);
    const children = unlink(resolveEmphasis(inner));
    // Links do not lie in links: the inner one counts. An image may lie in one.
    if (bracket.text === '[') this.brackets = [];
    const href = safeUrl(target.url);
    if (href === null) {
      // A link that leads nowhere is its text, and what it would have led to.
      this.add({type: 'text', text: bracket.text === '[' ? '' : '!'});
      for (const child of children) this.add(child);
      if (target.url !== '') this.put(` (${target.url})`);
      return;
    }
    if (children.length === 0) children.push({type: 'text', text: target.url});
    // Nothing is fetched from elsewhere: an image is a link to it.
    this.add({type: 'link', href, title: target.title, children});
  }

  /** The target of a link at this place, or null. */
  target() {
    const match = this.match(TARGET);
    if (!match) return null;
    const url = (match[1] ?? match[2]).replace(/\\([!-/:-@[-`{-~])/g, '$1');
    return {url, title: match[3] ?? match[4] ?? ''};
  }

  angle() {
    const url = this.match(ANGLE_URL);
    if (url) return this.putUrl(url[1]);
    if (this.match(BREAK)) return this.add({type: 'break'});
    this.literal(1);
  }

  entity() {
    const match = this.match(ENTITY);
    if (!match) return this.literal(1);
    const code = match[1] ? parseInt(match[1], 10) : parseInt(match[2], 16);
    if (match[3]) return this.put(NAMED[match[3]]);
    const valid = code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    this.put(valid ? String.fromCodePoint(code) : '\ufffd');
  }

  bareUrl() {
    const before = this.text[this.at - 1] ?? ' ';
    if (/[\p{L}\p{N}_]/u.test(before)) return this.literal(1);
    BARE_URL.lastIndex = this.at;
    const match = BARE_URL.exec(this.text);
    if (!match) return this.literal(1);
    let url = match[0];
    if (this.brackets.length > 0) url = url.split(']', 1)[0];
    const kept = trimUrl(url);
    this.at += kept.length;
    this.putUrl(kept);
  }

  putUrl(url) {
    const href = safeUrl(url);
    const text = {type: 'text', text: url};
    this.add(href === null ? text : {type: 'link', href, title: '', children: [text]});
  }
}

/** Less what belongs to the sentence rather than to the address. */
function trimUrl(url) {
  let end = url.length;
  const count = (char) => {
    let found = 0;
    for (let i = 0; i < end; ++i) found += url[i] === char;
    return found;
  };
  let surplus = count(')') - count('(');
  for (; end > 0; --end) {
    const last = url[end - 1];
    if (last === ')' && surplus > 0) --surplus;
    else if (!/[?!.,:;*_~'"]/.test(last)) break;
  }
  return url.slice(0, end);
}

/** Links do not lie in links. */
function unlink(nodes) {
  return nodes.flatMap((node) => {
    if (node.type === 'link') return node.children;
    return node.children ? [{...node, children: unlink(node.children)}] : [node];
  });
}

function asText(item) {
  if (item.type === 'delimiter') return {type: 'text', text: item.char.repeat(item.count)};
  return item.type === 'bracket' ? {type: 'text', text: item.text} : item;
}

function finish(items) {
  const nodes = [];
  for (const item of items) {
    const node = asText(item);
    if (node.type === 'text' && nodes.at(-1)?.type === 'text') {
      nodes[nodes.length - 1] = {type: 'text', text: nodes.at(-1).text + node.text};
    } else if (node.type !== 'text' || node.text !== '') {
      nodes.push(node);
    }
  }
  return nodes;
}

/** Makes emphasis of the delimiters in `items`. */
function resolveEmphasis(items) {
  const out = [];
  const openers = []; // indices into `out`
  const bottoms = new Map(); // kind of closer -> below this place in `openers` there is none for it
  for (const item of items) {
    if (item.type === 'delimiter' && item.closes) close(item);
    if (item.type === 'delimiter' && item.count === 0) continue;
    if (item.type === 'delimiter' && item.opens) openers.push(out.length);
    out.push(item);
  }
  return finish(out);

  function close(closer) {
    const kind = `${closer.char}${closer.opens}${closer.length % 3}`;
    while (closer.count > 0) {
      let at = openers.length - 1;
      const bottom = bottoms.get(kind) ?? 0;
      while (at >= bottom && !fits(out[openers[at]], closer)) --at;
      if (at < bottom) {
        bottoms.set(kind, openers.length);
        return;
      }
      const opener = out[openers[at]];
      const children = finish(out.slice(openers[at] + 1));
      const depth = 1 + children.reduce((most, child) => Math.max(most, child.depth ?? 0), 0);
      if (depth > MAX_DEPTH) {
        openers.length = 0; // what lies further out would be deeper still
        return;
      }
      const used = closer.count >= 2 && opener.count >= 2 ? 2 : 1;
      out.length = openers[at] + 1;
      opener.count -= used;
      closer.count -= used;
      if (opener.count === 0) out.pop();
      openers.length = opener.count === 0 ? at : at + 1;
      for (const [each, place] of bottoms) bottoms.set(each, Math.min(place, openers.length));
      out.push({type: closer.char === '~' ? 'del' : used === 2 ? 'strong' : 'em', depth, children});
    }
  }
}

function fits(opener, closer) {
  if (opener.char !== closer.char) return false;
  // https://spec.commonmark.org/0.31.2/#can-open-emphasis, rules 9 and 10
  if (!opener.closes && !closer.opens) return true;
  return (opener.length + closer.length) % 3 !== 0 || (opener.length % 3 === 0 && closer.length % 3 === 0);
}
