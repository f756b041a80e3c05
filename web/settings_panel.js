// The settings of a conversation. New ones begin with those of the last.

import {element} from './dom.js';
import {EFFORTS, readNumber, SAMPLING} from './settings.js';

/** Fields for `settings`, which they change; `changed()` is called then. */
export function renderSettings(settings, changed) {
  const set = (name, value) => {
    if (value === undefined || value === '') delete settings[name];
    else settings[name] = value;
    changed();
  };
  const system = element('textarea', {
    id: 'system',
    placeholder: 'You answer briefly and give an example.',
    onchange: () => set('system', system.value),
  });
  system.value = settings.system ?? '';
  const inputs = [];
  const fields = SAMPLING.map((setting) => {
    const {name, label, min, max, step, hint, about} = setting;
    const input = element('input', {
      id: name,
      type: 'number',
      inputmode: 'decimal',
      min,
      max,
      step,
      placeholder: hint,
      onchange: () => {
        const value = readNumber(setting, input.value);
        input.value = value ?? '';
        set(name, value);
      },
    });
    input.value = settings[name] ?? '';
    inputs.push(input);
    return element('label', {class: 'setting'}, label, element('small', {}, about), input);
  });
  const effort = element(
    'select',
    {id: 'effort', onchange: () => set('reasoning_effort', effort.value)},
    EFFORTS.map(([value, label]) => element('option', {value}, label)),
  );
  effort.value = settings.reasoning_effort ?? '';
  const reset = () => {
    for (const {name} of SAMPLING) delete settings[name];
    for (const input of inputs) input.value = '';
    effort.value = '';
    set('reasoning_effort', undefined);
  };
  return [
    element(
      'label',
      {class: 'setting'},
      'System prompt',
      element('small', {}, 'What the model is told before the conversation.'),
      system,
    ),
    element('div', {class: 'settings-grid'}, fields),
    element(
      'label',
      {class: 'setting'},
      'Thinking',
      element('small', {}, 'For models that think before they answer.'),
      effort,
    ),
    element('button', {type: 'button', class: 'quiet reset', onclick: reset}, 'Use the defaults'),
  ];
}
