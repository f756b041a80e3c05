// Which model answers, and what it is doing.

import {byId, element} from './dom.js';
import {formatBytes} from './format.js';

export class ModelBar {
  #shown = '';

  constructor(chosen) {
    this.select = byId('model');
    this.state = byId('model-state');
    this.loading = element('div', {class: 'notice', role: 'status', hidden: true});
    byId('notice').before(this.loading);
    this.select.addEventListener('change', () => chosen(this.select.value));
  }

  show(server, chosen) {
    const names = server.models;
    const current = chosen || names[0] || '';
    // Built anew only when it has changed: somebody may have it open.
    const key = JSON.stringify([names, current]);
    if (key !== this.#shown) {
      this.select.replaceChildren(...names.map((name) => element('option', {value: name}, name)));
      this.select.value = current;
      this.#shown = key;
    }
    this.select.hidden = names.length === 0;
    const model = server.model(current);
    this.state.textContent = server.reachable ? describe(model) : 'The server does not answer';
    this.#showLoading(model);
  }

  #showLoading(model) {
    const loading = model?.state === 'loading' || model?.state === 'failed';
    this.loading.hidden = !loading;
    if (!loading) return;
    const {bytes_done: done, bytes_total: total} = model.progress ?? {};
    if (model.state === 'failed') {
      this.loading.replaceChildren(`${model.name} did not load: ${model.error ?? 'no reason given'}`);
    } else if (total > 0) {
      this.loading.replaceChildren(
        `${model.name} is loading: ${formatBytes(done)} of ${formatBytes(total)}`,
        element('progress', {max: total, value: done, 'aria-label': 'Loading'}),
      );
    } else {
      this.loading.replaceChildren(`${model.name} is loading`);
    }
  }
}

function describe(model) {
  if (!model) return '';
  if (model.state === 'available') return 'loads with the first message';
  if (model.state !== 'loaded') return '';
  const waiting = model.service?.requests.filter(({stage}) => stage === 'waiting').length ?? 0;
  return waiting > 0 ? `${waiting} ${waiting === 1 ? 'request waits' : 'requests wait'}` : '';
}
