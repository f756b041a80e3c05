// As the system has it, light, or dark.

import {iconButton, setIcon} from './dom.js';
import {readPreference, writePreference} from './preferences.js';

const THEMES = ['auto', 'light', 'dark'];
const ICONS = {auto: 'auto', light: 'sun', dark: 'moon'};
const LABELS = {auto: 'Theme: as the system', light: 'Theme: light', dark: 'Theme: dark'};

export class ThemeSwitch {
  constructor() {
    this.button = iconButton('auto', '', () =>
      this.#set(THEMES[(THEMES.indexOf(this.theme) + 1) % THEMES.length]),
    );
    this.#set(readPreference('theme', 'auto'));
  }

  #set(theme) {
    this.theme = THEMES.includes(theme) ? theme : 'auto';
    writePreference('theme', this.theme);
    if (this.theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.theme;
    setIcon(this.button, ICONS[this.theme]);
    this.button.setAttribute('aria-label', LABELS[this.theme]);
    this.button.title = LABELS[this.theme];
  }
}
