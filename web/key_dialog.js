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

  /** `wished`: by somebody, not by the server, which asks again and again. */
  ask(wished = false) {
    if (this.dialog.open || (this.#declined && !wished)) return;
    const title = wished ? 'API key' : this.api.key ? 'The server does not take this key' : 'This server asks for a key';
    byId('key-title').textContent = title;
    byId('key').value = this.api.key;
    this.dialog.showModal();
    byId('key').select();
  }
}
