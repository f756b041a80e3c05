// What opens beside the conversation: settings, or the memory.

import {byId, element, iconButton} from './dom.js';
import {renderMemory} from './memory_panel.js';
import {readPreference, writePreference} from './preferences.js';
import {renderSettings} from './settings_panel.js';

const TITLES = {settings: 'Settings', memory: 'Memory'};
const ICONS = {settings: 'sliders', memory: 'memory'};

export class Panel {
  #open = null;
  #settings = {};
  #status = null;
  #buttons = {};

  /** `opened()` is called when there is something to look at. */
  constructor(settingsChanged, opened) {
    this.root = byId('panel');
    this.settingsChanged = settingsChanged;
    this.opened = opened;
    this.title = element('h2');
    this.body = element('div', {class: 'panel-body'});
    this.root.append(
      element(
        'div',
        {class: 'panel-head'},
        this.title,
        iconButton('close', 'Close', () => this.close(true)),
      ),
      this.body,
    );
    if (matchMedia('(min-width: 1181px)').matches) this.#show(readPreference('panel', null));
  }

  /** The button that opens and closes `name`. */
  button(name) {
    this.#buttons[name] = iconButton(
      ICONS[name],
      TITLES[name],
      () => this.#show(this.#open === name ? null : name),
      {'aria-pressed': this.#open === name ? 'true' : 'false', 'aria-controls': 'panel'},
    );
    return this.#buttons[name];
  }

  shows(name) {
    return this.#open === name;
  }

  close(focus = false) {
    const button = this.#buttons[this.#open];
    this.#show(null);
    if (focus) button?.focus();
  }

  setSettings(settings) {
    this.#settings = settings;
    if (this.#open === 'settings') this.#draw();
  }

  setStatus(status) {
    if (this.#status === status) return;
    this.#status = status;
    if (this.#open === 'memory') this.#draw();
  }

  #show(name) {
    if (this.#open === name) return;
    this.#open = Object.hasOwn(TITLES, name) ? name : null; // what was kept may be of another version
    writePreference('panel', this.#open);
    for (const [each, button] of Object.entries(this.#buttons))
      button.setAttribute('aria-pressed', String(each === this.#open));
    this.root.hidden = this.#open === null;
    if (!this.#open) return;
    this.#draw();
    this.opened();
  }

  #draw() {
    this.title.textContent = TITLES[this.#open];
    const scrolled = this.body.scrollTop;
    const content =
      this.#open === 'settings'
        ? renderSettings(this.#settings, this.settingsChanged)
        : renderMemory(this.#status);
    this.body.replaceChildren(...content);
    this.body.scrollTop = scrolled;
  }
}
