// Markdown on the page. Every text of a model becomes a text node; links lead to http and https alone.

import {colorCode} from './code_colors.js';
import {copyButton, element} from './dom.js';
import {parseMarkdown} from './markdown.js';
import {parseInline} from './markdown_inline.js';

/**
 * Shows a text that grows: blocks that are as they were keep their elements, and so what is selected in
 * them.
 */
export class MarkdownView {
  #shown = []; // {key, node} of each block

  constructor(root) {
    this.root = root;
  }

  update(source) {
    const blocks = parseMarkdown(source);
    let same = 0;
    while (same < blocks.length && same < this.#shown.length && this.#shown[same].key === keyOf(blocks[same]))
      ++same;
    for (const {node} of this.#shown.splice(same)) node.remove();
    for (const block of blocks.slice(same)) {
      const node = renderBlock(block);
      this.root.append(node);
      this.#shown.push({key: keyOf(block), node});
    }
  }
}

function keyOf(block) {
  return `${block.type}\n${block.raw}`;
}

function renderBlock(block) {
  switch (block.type) {
    case 'heading':
      // The page's own title is the first level.
      return element(`h${Math.min(block.level + 1, 6)}`, {}, renderInline(block.text));
    case 'code':
      return renderCode(block);
    case 'quote':
      return element('blockquote', {}, block.blocks.map(renderBlock));
    case 'list':
      return renderList(block);
    case 'table':
      return renderTable(block);
    case 'rule':
      return element('hr');
    default:
      return element('p', {}, renderInline(block.text));
  }
}

function renderCode({language, text}) {
  const code = element('code', {}, colorCode(text, language));
  return element(
    'figure',
    {class: 'code'},
    element(
      'figcaption',
      {},
      element('span', {}, language || 'text'),
      copyButton('Copy code', () => text),
    ),
    element('pre', {tabindex: '0'}, code),
  );
}

function renderList({ordered, start, loose, items}) {
  const children = items.map(({checked, blocks}) => {
    const content = blocks.map((block) =>
      block.type === 'paragraph' && !loose
        ? element('span', {}, renderInline(block.text))
        : renderBlock(block),
    );
    if (checked === undefined) return element('li', {}, content);
    const box = element('input', {
      type: 'checkbox',
      disabled: true,
      checked,
      'aria-label': checked ? 'done' : 'to do',
    });
    return element('li', {class: 'task'}, box, element('div', {}, content));
  });
  return ordered ? element('ol', {start: start === 1 ? null : start}, children) : element('ul', {}, children);
}

function renderTable({align, head, rows}) {
  const row = (cells, name) =>
    element(
      'tr',
      {},
      cells.map((cell, i) =>
        element(name, {class: align[i] ? `align-${align[i]}` : null}, renderInline(cell)),
      ),
    );
  const table = element(
    'table',
    {},
    element('thead', {}, row(head, 'th')),
    element(
      'tbody',
      {},
      rows.map((cells) => row(cells, 'td')),
    ),
  );
  return element('div', {class: 'table', tabindex: '0'}, table);
}

function renderInline(text) {
  return parseInline(text).map(renderNode);
}

function renderNode(node) {
  switch (node.type) {
    case 'text':
      return document.createTextNode(node.text);
    case 'break':
      return element('br');
    case 'code':
      return element('code', {}, node.text);
    case 'math':
      return element('span', {class: 'math'}, node.text);
    case 'link':
      return element(
        'a',
        {href: node.href, title: node.title || null, rel: 'noopener noreferrer nofollow', target: '_blank'},
        node.children.map(renderNode),
      );
    default:
      return element(node.type, {}, node.children.map(renderNode));
  }
}
