// Where one writes, and how full the context is.

import {byId, icon} from './dom.js';
import {formatCount} from './format.js';

/** `actions`: send(text), stop(), editLast(). */
export class Composer {
  #answering = false;

  constructor(actions) {
    this.actions = actions;
    this.input = byId('input');
    this.button = byId('send');
    byId('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#press();
    });
    this.input.addEventListener('input', () => this.#resize());
    this.input.addEventListener('keydown', (event) => this.#keyDown(event));
    window.addEventListener('resize', () => this.#resize());
    this.setAnswering(false);
    this.focus();
  }

  /** Not where that would bring up a keyboard over what there is to read. */
  focus() {
    if (!this.#isTouched()) this.input.focus();
  }

  setAnswering(answering) {
    this.#answering = answering;
    this.button.replaceChildren(icon(answering ? 'stop' : 'send'));
    this.button.classList.toggle('stop', answering);
    this.button.setAttribute('aria-label', answering ? 'Stop' : 'Send');
    this.button.title = answering ? 'Stop (Esc)' : 'Send';
    this.#resize();
  }

  /** `size`: tokens that the model's context holds, where that is known. */
  showContext(messages, size) {
    const last = messages.findLast(({figures}) => figures?.prompt !== undefined);
    byId('context').hidden = !last || !size;
    if (!last || !size) return;
    const used = last.figures.prompt + last.figures.completion;
    byId('context').classList.toggle('full', used > 0.9 * size);
    byId('context-fill').style.width = `${Math.min(100, (100 * used) / size)}%`;
    byId('context-text').textContent = `${formatCount(used)} of ${formatCount(size)} tokens of context`;
  }

  #isTouched() {
    return matchMedia('(pointer: coarse)').matches;
  }

  #press() {
    if (this.#answering) return this.actions.stop();
    const text = this.input.value.trim();
    if (text === '') return;
    this.input.value = '';
    this.actions.send(text);
    this.#resize();
  }

  #keyDown(event) {
    if (event.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey && !this.#isTouched()) {
      event.preventDefault();
      if (!this.#answering) this.#press();
    } else if (event.key === 'ArrowUp' && this.input.value === '') {
      event.preventDefault();
      this.actions.editLast();
    }
  }

  #resize() {
    this.input.style.height = 'auto';
    this.input.style.height = `${this.input.scrollHeight}px`;
    this.button.disabled = !this.#answering && this.input.value.trim() === '';
  }
}
