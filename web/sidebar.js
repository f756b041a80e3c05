// The list of conversations.

import {element, iconButton} from './dom.js';

/** `actions`: open(conversation), rename(conversation, title), remove(conversation). */
export class Sidebar {
  constructor(list, actions) {
    this.list = list;
    this.actions = actions;
  }

  show(conversations, current, isAnswering) {
    this.list.replaceChildren(
      ...conversations.map((conversation) =>
        this.#row(conversation, conversation === current, isAnswering(conversation)),
      ),
    );
  }

  #row(conversation, isCurrent, isAnswering) {
    const title = conversation.title || 'New chat';
    const row = element('li', {class: `${isCurrent ? 'current' : ''} ${isAnswering ? 'answering' : ''}`});
    const open = element(
      'button',
      {
        type: 'button',
        class: 'open',
        title,
        'aria-current': isCurrent ? 'true' : null,
        onclick: () => this.actions.open(conversation),
        ondblclick: () => this.#rename(row, conversation),
      },
      title,
    );
    row.append(
      open,
      iconButton('edit', `Rename ${title}`, () => this.#rename(row, conversation)),
      iconButton('trash', `Delete ${title}`, () => this.actions.remove(conversation)),
    );
    return row;
  }

  #rename(row, conversation) {
    const input = element('input', {'aria-label': 'Name of the conversation', maxlength: 200});
    input.value = conversation.title;
    let open = true;
    const finish = (keep) => {
      if (!open) return;
      open = false;
      this.actions.rename(
        conversation,
        keep && input.value.trim() !== '' ? input.value.trim() : conversation.title,
      );
    };
    input.addEventListener('keydown', (event) => {
      if (event.isComposing || (event.key !== 'Enter' && event.key !== 'Escape')) return;
      event.stopPropagation();
      finish(event.key === 'Enter');
    });
    input.addEventListener('blur', () => finish(true));
    row.replaceChildren(input);
    input.select();
  }
}
