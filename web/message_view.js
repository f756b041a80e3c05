// One message on the page.

import {tokensPerSecond} from './answer.js';
import {copyButton, element, icon, iconButton} from './dom.js';
import {formatCount, formatRate, formatSeconds} from './format.js';
import {MarkdownView} from './markdown_view.js';

/** `actions`: edit(message, text), retry(message). */
export class MessageView {
  constructor(message, actions) {
    this.message = message;
    this.actions = actions;
    this.body = element('div', {class: 'body'});
    this.root = element('article', {
      class: `message ${message.role}`,
      'aria-label': message.role === 'user' ? 'You' : 'Answer',
    });
    if (message.role === 'user') this.#showUser();
    else this.#showAnswer();
  }

  /** Shows the message as it is now. */
  update() {
    if (this.message.role === 'user') return this.#showUser();
    const {content, reasoning, state, error} = this.message;
    this.root.setAttribute('aria-busy', state === 'streaming');
    if (reasoning) this.#showThinking(reasoning, state === 'streaming' && content === '');
    this.prose.update(content);
    this.waiting.hidden = state !== 'streaming' || content !== '' || Boolean(reasoning);
    this.failure.hidden = state !== 'failed';
    this.failure.textContent = error ?? '';
    this.foot.classList.toggle('running', state === 'streaming');
    this.copy.hidden = content === '';
    this.figures.textContent = describe(this.message);
  }

  #showUser() {
    this.body.textContent = this.message.content;
    this.root.replaceChildren(
      this.body,
      element(
        'div',
        {class: 'actions'},
        copyButton('Copy message', () => this.message.content),
        iconButton('edit', 'Edit message', () => this.edit()),
      ),
    );
  }

  #showAnswer() {
    this.content = element('div', {class: 'prose'});
    this.prose = new MarkdownView(this.content);
    this.waiting = element(
      'div',
      {class: 'waiting', role: 'img', 'aria-label': 'Waiting for the answer'},
      [1, 2, 3].map(() => element('i')),
    );
    this.failure = element('div', {class: 'failure', role: 'alert'});
    this.figures = element('span', {class: 'figures'});
    this.copy = copyButton('Copy answer', () => this.message.content);
    this.foot = element(
      'div',
      {class: 'actions'},
      this.copy,
      iconButton('retry', 'Answer again', () => this.actions.retry(this.message)),
      this.figures,
    );
    this.body.append(this.waiting, this.content, this.failure);
    this.root.append(this.body, this.foot);
    this.update();
  }

  #showThinking(text, open) {
    if (!this.thinking) {
      this.thoughts = element('div', {class: 'prose'});
      this.thoughtView = new MarkdownView(this.thoughts);
      this.label = element('span');
      this.thinking = element(
        'details',
        {class: 'thinking', open},
        element('summary', {}, icon('chevron'), this.label),
        this.thoughts,
      );
      this.body.prepend(this.thinking);
    }
    // Folds when the answer begins, unless somebody folded or unfolded it since.
    if (this.wasOpen && !open && this.thinking.open) this.thinking.open = false;
    this.wasOpen = open;
    this.label.textContent = open ? 'Thinking…' : 'Thinking';
    this.thoughtView.update(text);
  }

  /** A field in place of what was asked. */
  edit() {
    const area = element('textarea', {
      'aria-label': 'Edit message',
      rows: Math.min(12, this.message.content.split('\n').length + 1),
    });
    area.value = this.message.content;
    const cancel = () => {
      this.#showUser();
      this.root.querySelector('[aria-label="Edit message"]').focus();
    };
    const send = () => {
      if (area.value.trim() !== '') this.actions.edit(this.message, area.value.trim());
    };
    area.addEventListener('keydown', (event) => {
      if (event.isComposing) return;
      if (event.key === 'Escape') {
        event.stopPropagation();
        cancel();
      } else if (event.key === 'Enter' && !event.shiftKey) {
        event.preventDefault();
        send();
      }
    });
    this.root.replaceChildren(
      element(
        'div',
        {class: 'editor'},
        area,
        element(
          'div',
          {class: 'editor-buttons'},
          element('button', {type: 'button', class: 'quiet', onclick: cancel}, 'Cancel'),
          element('button', {type: 'button', class: 'primary', onclick: send}, 'Send again'),
        ),
      ),
    );
    area.focus();
    area.setSelectionRange(area.value.length, area.value.length);
  }
}

function describe({state, finish, figures}) {
  const words = [];
  if (figures?.completion > 0) {
    words.push(`${figures.exact ? '' : '~'}${formatCount(figures.completion)} ${figures.completion === 1 ? 'token' : 'tokens'}`);
    const rate = tokensPerSecond(figures);
    if (rate !== null) words.push(`${formatRate(rate)} tokens/s`);
    words.push(`first after ${formatSeconds(figures.first)}`);
  }
  if (state === 'stopped') words.push('stopped');
  if (state === 'done' && finish === 'length') words.push('cut at the limit');
  return words.join(' · ');
}
