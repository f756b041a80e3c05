// Markdown to a tree of blocks: headings, paragraphs, lists, quotes, tables, fenced code, rules. Follows
// https://spec.commonmark.org/0.31.2/ and the tables and task lists of https://github.github.com/gfm/, but
// for what models write: HTML and indented code are text, and a line's end is a line's end.
//
// Texts inside of blocks stay as they are: markdown_inline.js reads them. Time grows with the text's length
// alone, whatever the text: it comes from a model.

const MAX_DEPTH = 12; // of quotes and lists in each other; what is deeper is text

const RULE = /^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$/;
const FENCE = /^( {0,3})(`{3,}(?=[^`]*$)|~{3,})(.*)$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])( +|$)/;
const HEADING = /^ {0,3}(#{1,6})(?=[ \t]|$)/;
const UNDERLINE = /^ {0,3}(={2,}|-{3,})[ \t]*$/; // a lone dash is a list that is still being written
const TASK = /^\[([ xX])\] +(?=\S)/;

/**
 * @typedef {{type: 'paragraph', text: string}
 *   | {type: 'heading', level: number, text: string}
 *   | {type: 'code', language: string, text: string}
 *   | {type: 'quote', blocks: Block[]}
 *   | {type: 'list', ordered: boolean, start: number, loose: boolean,
 *      items: {checked?: boolean, blocks: Block[]}[]}
 *   | {type: 'table', align: string[], head: string[], rows: string[][]}
 *   | {type: 'rule'}} Block
 */

/** The blocks of `source`; those of the top level have their own source text as `raw`. */
export function parseMarkdown(source) {
  const lines = source.replace(/\r\n?/g, '\n').split('\n').map(expandTabs);
  return new BlockParser(lines, 0).parse();
}

function expandTabs(line) {
  return line.replace(/^[ \t]+/, (space) => space.replace(/\t/g, '    '));
}

function indentOf(line) {
  return line.search(/\S|$/);
}

function isBlank(line) {
  return !/\S/.test(line);
}

class BlockParser {
  constructor(lines, depth) {
    this.lines = lines;
    this.depth = depth;
    this.at = 0;
  }

  parse() {
    const blocks = [];
    while (this.at < this.lines.length) {
      if (isBlank(this.lines[this.at])) {
        ++this.at;
        continue;
      }
      const begin = this.at;
      const block = this.block();
      if (this.depth === 0) block.raw = this.lines.slice(begin, this.at).join('\n');
      blocks.push(block);
    }
    return blocks;
  }

  block() {
    const line = this.lines[this.at];
    if (FENCE.test(line)) return this.code();
    if (HEADING.test(line)) return this.heading();
    if (RULE.test(line)) {
      ++this.at;
      return {type: 'rule'};
    }
    if (this.depth < MAX_DEPTH) {
      if (QUOTE.test(line)) return this.quote();
      if (ITEM.test(line)) return this.list();
    }
    if (this.tableBegins(this.at)) return this.table();
    return this.paragraph();
  }

  /** Whether line `at` ends a paragraph that is above it. */
  interrupts(at) {
    const line = this.lines[at];
    if (isBlank(line) || FENCE.test(line) || HEADING.test(line) || RULE.test(line)) return true;
    if (this.tableBegins(at)) return true;
    if (this.depth >= MAX_DEPTH) return false;
    const item = ITEM.exec(line);
    if (item) return item[3] !== '' && (!/\d/.test(item[2]) || parseInt(item[2], 10) === 1);
    return QUOTE.test(line);
  }

  paragraph() {
    const text = [this.lines[this.at++].trimStart()];
    while (this.at < this.lines.length) {
      const line = this.lines[this.at];
      const underline = UNDERLINE.exec(line);
      if (underline) {
        ++this.at;
        return {type: 'heading', level: underline[1][0] === '=' ? 1 : 2, text: text.join('\n').trim()};
      }
      if (this.interrupts(this.at)) break;
      text.push(line.trimStart());
      ++this.at;
    }
    return {type: 'paragraph', text: text.join('\n').trimEnd()};
  }

  heading() {
    const line = this.lines[this.at++];
    const [all, marks] = HEADING.exec(line);
    let text = line.slice(all.length).trim();
    const bare = text.replace(/#+$/, '');
    if (bare === '' || /[ \t]$/.test(bare)) text = bare.trimEnd();
    return {type: 'heading', level: marks.length, text};
  }

  code() {
    const [, indent, fence, info] = FENCE.exec(this.lines[this.at++]);
    const text = [];
    for (; this.at < this.lines.length; ++this.at) {
      const line = this.lines[this.at];
      const close = line.trim();
      if (indentOf(line) < 4 && close.length >= fence.length && close === fence[0].repeat(close.length)) {
        ++this.at;
        break;
      }
      text.push(line.slice(Math.min(indent.length, indentOf(line))));
    }
    return {type: 'code', language: info.trim().split(/\s/, 1)[0], text: text.join('\n')};
  }

  quote() {
    const inner = [];
    for (; this.at < this.lines.length; ++this.at) {
      const line = this.lines[this.at];
      if (QUOTE.test(line)) {
        inner.push(line.replace(QUOTE, ''));
      } else if (inner.length > 0 && !isBlank(inner.at(-1)) && !this.interrupts(this.at)) {
        inner.push(line); // goes on with the quote's paragraph
      } else {
        break;
      }
    }
    return {type: 'quote', blocks: new BlockParser(inner, this.depth + 1).parse()};
  }

  list() {
    const first = ITEM.exec(this.lines[this.at]);
    const kind = first[2].at(-1);
    const list = {
      type: 'list',
      ordered: kind === '.' || kind === ')',
      start: parseInt(first[2], 10) || 0,
      loose: false,
      items: [],
    };
    let blankBefore = false;
    while (this.at < this.lines.length) {
      const marker = ITEM.exec(this.lines[this.at]);
      if (!marker || marker[2].at(-1) !== kind || RULE.test(this.lines[this.at])) break;
      list.loose ||= blankBefore;
      const lines = this.itemLines(marker);
      blankBefore = isBlank(lines.at(-1)) && lines.length > 1;
      while (lines.length > 1 && isBlank(lines.at(-1))) lines.pop();
      const item = {};
      const task = TASK.exec(lines[0]);
      if (task) {
        item.checked = task[1] !== ' ';
        lines[0] = lines[0].slice(task[0].length);
      }
      const parser = new BlockParser(lines, this.depth + 1);
      item.blocks = parser.parse();
      list.loose ||= item.blocks.filter((block) => block.type === 'paragraph').length > 1;
      list.items.push(item);
    }
    return list;
  }

  /** The lines of the item that begins here, less its indentation, with the blank ones behind it. */
  itemLines([marker, indent, sign, space]) {
    const width = space.length >= 1 && space.length <= 4 ? marker.length : indent.length + sign.length + 1;
    // Models indent what belongs to "1. " by two columns as often as by three.
    const least = Math.min(width, indent.length + 2);
    const lines = [this.lines[this.at++].slice(marker.length)];
    let fence = null; // inside of code nothing is an item
    let blank = lines[0] === '';
    for (; this.at < this.lines.length; ++this.at) {
      const line = this.lines[this.at];
      const depth = indentOf(line);
      if (isBlank(line)) {
        lines.push('');
        blank = true;
        continue;
      }
      if (depth < least && (blank || fence || this.interrupts(this.at) || ITEM.test(line))) break;
      const inner = line.slice(Math.min(width, depth));
      const mark = FENCE.exec(inner);
      if (mark) fence = fence === null ? mark[2][0] : fence === mark[2][0] ? null : fence;
      lines.push(inner);
      blank = false;
    }
    return lines;
  }

  tableBegins(at) {
    if (at + 1 >= this.lines.length || !this.lines[at].includes('|') || !/[-|:]/.test(this.lines[at + 1]))
      return false;
    if (/[^-|: \t]/.test(this.lines[at + 1])) return false;
    const marks = rowCells(this.lines[at + 1]);
    return marks.every((mark) => /^:?-+:?$/.test(mark)) && marks.length === rowCells(this.lines[at]).length;
  }

  table() {
    const head = rowCells(this.lines[this.at++]);
    const align = rowCells(this.lines[this.at++]).map((mark) => {
      if (mark.endsWith(':')) return mark.startsWith(':') ? 'center' : 'right';
      return '';
    });
    const rows = [];
    for (; this.at < this.lines.length && !this.interrupts(this.at); ++this.at) {
      const cells = rowCells(this.lines[this.at]).slice(0, head.length);
      while (cells.length < head.length) cells.push('');
      rows.push(cells);
    }
    return {type: 'table', align, head, rows};
  }
}

/** "| a | b\|c |" as ["a", "b|c"]. */
function rowCells(line) {
  const cells = [''];
  const row = line.trim();
  for (let i = row[0] === '|' ? 1 : 0; i < row.length; ++i) {
    if (row[i] === '\\' && row[i + 1] === '|') {
      cells[cells.length - 1] += '|';
      ++i;
    } else if (row[i] === '|') {
      if (i + 1 < row.length) cells.push('');
    } else {
      cells[cells.length - 1] += row[i];
    }
  }
  return cells.map((cell) => cell.trim());
}
