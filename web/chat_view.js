// The messages of a conversation, and where they are scrolled to.

import {element} from './dom.js';
import {MessageView} from './message_view.js';

const NEAR_END = 60; // pixels: who is that near reads along

export class ChatView {
  #views = new Map(); // message id -> MessageView
  #changed = new Set(); // to be drawn with the next frame
  #follows = true;

  /** `scroll` is what scrolls `root`. `followed(whether)`: whether the end is in sight. */
  constructor(root, scroll, actions, followed) {
    this.root = root;
    this.scroll = scroll;
    this.actions = actions;
    this.followed = followed;
    scroll.addEventListener('scroll', () => this.#setFollows(this.#distance() < NEAR_END), {passive: true});
    new ResizeObserver(() => this.#follows && this.#jump()).observe(scroll);
  }

  show(conversation) {
    this.#views.clear();
    this.#changed.clear();
    this.root.replaceChildren();
    this.continue(conversation);
  }

  /** Shows what is another in the conversation that is shown already, and leaves the rest as it is. */
  continue(conversation) {
    const ids = new Set(conversation.messages.map(({id}) => id));
    for (const [id, view] of this.#views) {
      if (ids.has(id)) continue;
      view.root.remove();
      this.#views.delete(id);
    }
    if (this.#views.size === 0) this.root.replaceChildren();
    for (const message of conversation.messages) {
      if (!this.#views.has(message.id)) this.#append(message);
    }
    this.toEnd();
  }

  /** What stands where nothing was said yet. */
  greet(title, text) {
    const heading = element('h2', {}, title);
    const line = element('p', {}, text);
    const picture = element('img', {src: '/icon.svg', alt: '', width: 52, height: 52});
    const greeting = element('div', {class: 'greeting'}, picture, heading, line);
    if (!this.root.firstElementChild?.isEqualNode(greeting)) this.root.replaceChildren(greeting);
  }

  /** Draws `message` as it is now, soon: answers change more often than screens. */
  update(message) {
    if (!this.#views.has(message.id)) return;
    if (message.state !== 'streaming') {
      this.#changed.delete(message);
      this.#draw(message); // at once: pages in the background get no frames
      return;
    }
    if (this.#changed.size === 0) requestAnimationFrame(() => this.#drawChanged());
    this.#changed.add(message);
  }

  editLast() {
    const users = [...this.#views.values()].filter(({message}) => message.role === 'user');
    users.at(-1)?.edit();
  }

  toEnd() {
    this.#setFollows(true);
    this.#jump();
  }

  #append(message) {
    const view = new MessageView(message, this.actions);
    this.#views.set(message.id, view);
    this.root.append(view.root);
  }

  #drawChanged() {
    const messages = [...this.#changed];
    this.#changed.clear();
    for (const message of messages) this.#draw(message);
  }

  #draw(message) {
    this.#views.get(message.id)?.update();
    if (this.#follows) this.#jump();
  }

  #distance() {
    return this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight;
  }

  #jump() {
    this.scroll.scrollTop = this.scroll.scrollHeight;
  }

  #setFollows(follows) {
    this.#follows = follows;
    this.followed(follows);
  }
}
