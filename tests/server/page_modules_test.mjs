// The parts of the page that need no browser. Usage: node --test page_modules_test.mjs
import assert from "node:assert/strict";
import { test } from "node:test";

import { tokensPerSecond } from "../../web/answer.js";
import { codePieces } from "../../web/code_colors.js";
import { formatBytes, formatParameters, formatSeconds } from "../../web/format.js";
import { parseMarkdown } from "../../web/markdown.js";
import { parseInline, safeUrl } from "../../web/markdown_inline.js";
import { layOutMemory } from "../../web/memory_layout.js";
import { chatRequest, readNumber, SAMPLING } from "../../web/settings.js";
import { SseParser } from "../../web/sse.js";

/** The tree as text: {em:a{strong:b}}, links with where they lead. */
function inline(text) {
  const show = (node) => {
    if (node.type === "text") return node.text;
    if (node.type === "break") return "{br}";
    const inner = node.children ? node.children.map(show).join("") : node.text;
    return `{${node.type}${node.href ? " " + node.href : ""}:${inner}}`;
  };
  return parseInline(text).map(show).join("");
}

function blocks(text) {
  return parseMarkdown(text).map(({ raw, ...block }) => block);
}

const paragraph = (text) => ({ type: "paragraph", text });

test("events are the same wherever the stream is cut", () => {
  const stream =
    ': hello\n\nevent: a\ndata: 1\ndata:2\n\ndata: {"x":"\u00fc"}\r\n\r\nid: 7\n\ndata\r\rdata: end\n\ndata: half';
  const expected = [
    { name: "a", data: "1\n2" },
    { name: "", data: '{"x":"\u00fc"}' },
    { name: "", data: "" },
    { name: "", data: "end" },
  ];
  for (let size = 1; size <= stream.length; ++size) {
    const parser = new SseParser();
    const events = [];
    for (let at = 0; at < stream.length; at += size) events.push(...parser.push(stream.slice(at, at + size)));
    assert.deepEqual(events, expected, `in pieces of ${size}`);
  }
});

test("emphasis, code and line breaks", () => {
  assert.equal(
    inline("**bold** and *it* ***both*** ~~gone~~"),
    "{strong:bold} and {em:it} {em:{strong:both}} {del:gone}",
  );
  assert.equal(
    inline("snake_case_name _x_ __y__ 2 * 3 * 4 **open ~5"),
    "snake_case_name {em:x} {strong:y} 2 * 3 * 4 **open ~5",
  );
  assert.equal(inline("`a*b*` `` c`d `` `open"), "{code:a*b*} {code:c`d} `open");
  assert.equal(inline("one\ntwo<br>three"), "one{br}two{br}three");
  assert.equal(inline("\\*no\\* \\\\ &lt;b&gt; &#65; &unknown;"), "*no* \\ <b> A &unknown;");
  assert.equal(inline("\\(a_1 * b_1\\)"), "{math:a_1 * b_1}");
});

test("links lead to http and https alone", () => {
  assert.equal(inline('[a *b*](https://x.y/c_(d) "t")'), "{link https://x.y/c_(d):a {em:b}}");
  assert.equal(
    inline("see https://x.y/a_b. (http://x.y) **https://x.y**"),
    "see {link https://x.y/a_b:https://x.y/a_b}. ({link http://x.y/:http://x.y}) {strong:{link https://x.y/:https://x.y}}",
  );
  assert.equal(
    inline("<https://x.y> ![pic](http://x.y/p.png)"),
    "{link https://x.y/:https://x.y} {link http://x.y/p.png:pic}",
  );
  for (const url of [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "//x.y",
    "/v1",
    "vbscript:x",
    "file:///etc",
    "http://",
    "https://[",
    "java\tscript:alert(1)",
  ]) {
    assert.equal(safeUrl(url), null, url);
    assert.ok(!inline(`[a](${url}) [b](<${url}>) <${url}>`).includes("{link"), url);
  }
});

test("HTML is text", () => {
  const html = '<script>alert(1)</script><img src=x onerror="alert(1)"><a href="javascript:alert(1)">x</a>';
  assert.equal(inline(html), html);
  assert.deepEqual(blocks(`<div>\n${html}\n</div>`), [paragraph(`<div>\n${html}\n</div>`)]);
});

test("blocks", () => {
  assert.deepEqual(blocks("# One #\n###### Six\n#tag\n\nSet\n==="), [
    { type: "heading", level: 1, text: "One" },
    { type: "heading", level: 6, text: "Six" },
    paragraph("#tag"),
    { type: "heading", level: 1, text: "Set" },
  ]);
  assert.deepEqual(blocks("a\n```py\nx = [1]\n\n  y\n```\nb\n~~~\n```\n~~~"), [
    paragraph("a"),
    { type: "code", language: "py", text: "x = [1]\n\n  y" },
    paragraph("b"),
    { type: "code", language: "", text: "```" },
  ]);
  assert.deepEqual(blocks("```\nstill being written"), [
    { type: "code", language: "", text: "still being written" },
  ]);
  assert.deepEqual(blocks("> a\nb\n>> c\n\n***"), [
    { type: "quote", blocks: [paragraph("a\nb"), { type: "quote", blocks: [paragraph("c")] }] },
    { type: "rule" },
  ]);
});

test("lists", () => {
  const list = (items, extra) => ({ type: "list", ordered: false, start: 0, loose: false, items, ...extra });
  const item = (...inner) => ({
    blocks: inner.map((each) => (typeof each === "string" ? paragraph(each) : each)),
  });
  assert.deepEqual(blocks("Intro:\n- a\n  - b\n    goes on\n- c"), [
    paragraph("Intro:"),
    list([item("a", list([item("b\ngoes on")])), item("c")]),
  ]);
  assert.deepEqual(blocks("3. a\n\n   more\n4. b"), [
    list([item("a", "more"), item("b")], { ordered: true, start: 3, loose: true }),
  ]);
  assert.deepEqual(blocks("1. a\n  - two columns are enough\n\n```\nx\n```\n2. b"), [
    list([item("a", list([item("two columns are enough")]))], { ordered: true, start: 1 }),
    { type: "code", language: "", text: "x" },
    list([item("b")], { ordered: true, start: 2 }),
  ]);
  assert.deepEqual(blocks("- [x] done\n- [ ] open"), [
    list([
      { checked: true, ...item("done") },
      { checked: false, ...item("open") },
    ]),
  ]);
  assert.deepEqual(blocks("1986 was. 1. no"), [paragraph("1986 was. 1. no")]);
});

test("tables", () => {
  assert.deepEqual(blocks("Text\n| a | b |\n|---|:-:|\n| 1 \\| 2 | `x` | more |\n| 3 |\n\nend"), [
    paragraph("Text"),
    {
      type: "table",
      align: ["", "center"],
      head: ["a", "b"],
      rows: [
        ["1 | 2", "`x`"],
        ["3", ""],
      ],
    },
    paragraph("end"),
  ]);
  assert.deepEqual(blocks("a | b\n--"), [paragraph("a | b\n--")]);
});

test("a text that grows keeps its blocks' sources", () => {
  const text = "# A\n\nb\n\n- c\n- d\n\n```\ne\n```\n";
  const whole = parseMarkdown(text).map(({ raw }) => raw);
  const begun = parseMarkdown(text.slice(0, 12)).map(({ raw }) => raw);
  assert.deepEqual(begun.slice(0, 2), whole.slice(0, 2));
});

// Each of these takes long, or is too deep for the stack, where nobody looked out for it.
test("no text takes long or goes too deep", () => {
  const many = 20000;
  const texts = {
    stars: "*a ".repeat(many) + "a* ".repeat(many),
    deep: "*".repeat(many) + "a" + "*".repeat(many) + " a*".repeat(many),
    mixed: "*_~~**a".repeat(many),
    brackets: "[".repeat(many) + "](".repeat(many),
    images: "![".repeat(many) + "](http://x.y)".repeat(many),
    ticks: Array.from({ length: 300 }, (_, i) => "`".repeat(i)).join(" "),
    angles: "<https://".repeat(many),
    math: "\\(".repeat(many),
    quotes: ">".repeat(many) + "a",
    lists: "- ".repeat(many) + "a",
    steps: Array.from({ length: 1000 }, (_, i) => " ".repeat(i) + "- a").join("\n"),
    pipes: "|".repeat(many) + "\n" + "|-".repeat(many),
    fences: "```\n".repeat(many),
    rule: "- ".repeat(many) + "x\n" + "* ".repeat(many) + "\n",
  };
  const nodes = (list) => list.reduce((sum, node) => sum + 1 + nodes(node.children ?? []), 0);
  for (const [name, text] of Object.entries(texts)) {
    assert.ok(nodes(parseInline(text)) > 0, name);
    assert.ok(parseMarkdown(text).length > 0, name);
    assert.equal(
      codePieces(text, "c")
        .map(([, piece]) => piece)
        .join(""),
      text,
      name,
    );
  }
  const string = '"\\'.repeat(many);
  assert.equal(
    codePieces(string, "c")
      .map(([, piece]) => piece)
      .join(""),
    string,
  );
});

test("code is coloured and stays as it is", () => {
  const kinds = (text, language) => codePieces(text, language).filter(([kind]) => kind !== "");
  assert.deepEqual(kinds('if f(1): return "#" # no', "python"), [
    ["keyword", "if"],
    ["function", "f"],
    ["number", "1"],
    ["keyword", "return"],
    ["string", '"#"'],
    ["comment", "# no"],
  ]);
  assert.deepEqual(kinds("if x", "text"), []);
});

test("requests say what was set and nothing else", () => {
  const messages = [
    { role: "user", content: "a" },
    { role: "assistant", content: "" },
    { role: "user", content: "b" },
  ];
  assert.deepEqual(chatRequest("m", { system: "s", top_k: 0, seed: 7 }, messages), {
    model: "m",
    messages: [
      { role: "system", content: "s" },
      { role: "user", content: "a\n\nb" },
    ],
    top_k: 0,
    seed: 7,
  });
  const [temperature, , topK] = SAMPLING;
  assert.equal(readNumber(temperature, "0.7"), 0.7);
  assert.equal(readNumber(temperature, "9"), 2);
  assert.equal(readNumber(topK, "39.7"), 40);
  assert.equal(readNumber(topK, " "), undefined);
  assert.equal(readNumber(topK, "x"), undefined);
});

test("memory is put together heap by heap", () => {
  const device = { name: "GPU", driver: "radv" };
  const heap = (index, weights, kv, reserved) => ({
    heap: index,
    bytes: 1000,
    device_local: index === 0,
    weights,
    kv,
    activations: 1,
    staging: 0,
    reserved,
  });
  const models = [
    { device, memory: { heaps: [heap(0, 10, 5, 20), heap(1, 7, 0, 8)] } },
    { device, memory: { heaps: [heap(0, 30, 0, 31)] } },
    { name: "not loaded" },
  ];
  const [{ name, heaps }, ...others] = layOutMemory(models);
  assert.deepEqual(others, []);
  assert.equal(name, "GPU");
  assert.deepEqual(
    heaps.map(({ used }) => used),
    [51, 8],
  );
  assert.deepEqual(heaps[0].parts, { weights: 40, kv: 5, activations: 2, staging: 0, slack: 4 });
  assert.deepEqual(layOutMemory([]), []);
});

test("numbers as people read them", () => {
  assert.equal(formatBytes(0), "0 B");
  assert.equal(formatBytes(1536), "1.5 KiB");
  assert.equal(formatBytes(64 * 2 ** 30), "64 GiB");
  assert.equal(formatSeconds(75), "1 min 15 s");
  assert.equal(formatParameters(8.03e9), "8.0B");
  assert.equal(tokensPerSecond({ completion: 11, first: 1, seconds: 3 }), 5);
  assert.equal(tokensPerSecond({ completion: 1, first: 1, seconds: 1 }), null);
});
