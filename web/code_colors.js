// Colours for code: comments, strings, numbers and the words that languages share. It knows no grammar, so it
// is right for most code, never slow, and never changes a character.

const words = (text) => new Set(text.split(/\s+/));

// By what begins a comment; the others have slashes.
const HASH = words(
  `python py bash sh shell zsh console ruby rb yaml yml toml ini conf make makefile dockerfile cmake r perl
  elixir nix`,
);
const DASHES = words('sql lua haskell hs ada elm');
const PLAIN = words('text txt plain plaintext output log md markdown diff csv');

const KEYWORDS = words(
  `abstract alignas and as assert async auto await begin bool break case catch char class const constexpr
  continue crate def default del delete do done double echo elif else end enum except explicit export
  extends extern false False fi final finally float fn for foreach from func function global go if impl
  implements import in inline instanceof int interface is lambda let local long loop match mod module
  mut namespace new nil None nonlocal noexcept not null nullptr operator or override package pass
  private protected pub public raise range return select self short signed sizeof static std string
  struct super switch template then this throw trait true True try type typedef typename union unsigned
  use using var virtual void volatile when where while with yield SELECT FROM WHERE INSERT INTO VALUES
  UPDATE SET DELETE CREATE TABLE JOIN LEFT RIGHT INNER ON GROUP BY ORDER LIMIT AND OR NOT NULL AS
  DISTINCT HAVING`,
);

// Bounded, so that a quote without its end costs little.
const STRING =
  String.raw`"(?:[^"\\\n]|\\.){0,300}"|'(?:[^'\\\n]|\\.){0,300}'|` + '`(?:[^`\\\\]|\\\\[^]){0,800}`';
const NUMBER = String.raw`\b(?:0[xX][\da-fA-F_]+|\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?)\w*`;
const COMMENTS = {
  hash: String.raw`#.*`,
  dashes: String.raw`--.*`,
  slashes: String.raw`\/\/.*|\/\*[^]*?(?:\*\/|$)`,
};
const patterns = new Map();

function patternOf(language) {
  const kind = HASH.has(language) ? 'hash' : DASHES.has(language) ? 'dashes' : 'slashes';
  if (!patterns.has(kind)) {
    // A URL's slashes are no comment.
    const comment = kind === 'slashes' ? `(?<!:)(?:${COMMENTS[kind]})` : `(?<![$\\w])(?:${COMMENTS[kind]})`;
    patterns.set(kind, new RegExp(`(${comment})|(${STRING})|(${NUMBER})|([A-Za-z_]\\w*)(\\s{0,4}\\()?`, 'g'));
  }
  return patterns.get(kind);
}

/** `text` in pieces: [class or '', text]; put together they are the text. */
export function codePieces(text, language) {
  if (language === '' || PLAIN.has(language.toLowerCase())) return [['', text]];
  const pieces = [];
  let plain = '';
  const put = (kind, piece) => {
    if (plain !== '') pieces.push(['', plain]);
    plain = '';
    pieces.push([kind, piece]);
  };
  let end = 0;
  for (const match of text.matchAll(patternOf(language.toLowerCase()))) {
    plain += text.slice(end, match.index);
    end = match.index + match[0].length;
    const [all, comment, string, number, word, call] = match;
    if (comment) put('comment', all);
    else if (string) put('string', all);
    else if (number) put('number', all);
    else if (KEYWORDS.has(word)) {
      put('keyword', word);
      plain = call ?? '';
    } else if (call) {
      put('function', word);
      plain = call;
    } else plain += all;
  }
  plain += text.slice(end);
  if (plain !== '') pieces.push(['', plain]);
  return pieces;
}

/** The pieces as nodes. */
export function colorCode(text, language) {
  return codePieces(text, language).map(([kind, piece]) => {
    const node = document.createTextNode(piece);
    if (kind === '') return node;
    const span = document.createElement('span');
    span.className = `code-${kind}`;
    span.append(node);
    return span;
  });
}
