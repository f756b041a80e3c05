// Asks for the server's key, where it wants one.

import {byId} from './dom.js';

export class KeyDialog {
  #declined = false;

  /** `entered()` is called when there is another key. */
  constructor(api, entered) {
    this.dialog = byId('key-dialog');
    this.api = api;
    byId('key-cancel').addEventListener('click', () => {
      this.#declined = true;
      this.dialog.close();
    });
    this.dialog.addEventListener('cancel', () => (this.#declined = true));
    byId('key-form').addEventListener('submit', () => {
      api.key = byId('key').value.trim();
      this.#declined = false;
      entered();
    });
  }

  /** The server wants a key. Who said "not now" is left alone, unless it `insists`. */
  ask(insists) {
    if (this.#declined && !insists) return;
    this.#show(this.api.key ? 'The server does not take this key' : 'This server asks for a key');
  }

  /** Somebody wants to see or change the key. */
  change() {
    this.#show('API key');
  }

  #show(title) {
    if (this.dialog.open) return;
    byId('key-title').textContent = title;
    byId('key').value = this.api.key;
    this.dialog.showModal();
    byId('key').select();
  }
}
