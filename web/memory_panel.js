// What the server's memory holds, who is being answered, and how the machine fares: /v1/status, drawn.

import {element} from './dom.js';
import {formatBytes, formatCount, formatParameters, formatRate, formatSeconds} from './format.js';
import {KINDS, layOutMemory} from './memory_layout.js';

export function renderMemory(status) {
  if (!status) return [element('p', {class: 'aside'}, 'The server has not said yet.')];
  const models = status.models ?? [];
  const devices = layOutMemory(models);
  return [
    devices.flatMap(renderDevice),
    devices.length > 0 ? renderLegend(devices) : element('p', {class: 'aside'}, 'No model is in memory.'),
    renderMachine(status.machine),
    element('h3', {}, 'Models'),
    models.map(renderModel),
    element(
      'p',
      {class: 'aside'},
      `Up for ${formatSeconds(status.seconds ?? 0)} · ${formatCount(status.connections ?? 0)} connections`,
    ),
  ].flat();
}

function row(name, value) {
  return element('div', {class: 'row'}, element('span', {}, name), element('span', {}, value));
}

function renderDevice({name, driver, heaps}) {
  const title = element('p', {class: 'device'}, name, element('small', {}, driver ?? ''));
  return [title, ...heaps.map(renderHeap)];
}

function renderHeap({heap, bytes, local, used, parts}) {
  const whole = Math.max(bytes || 0, used);
  const bar = element('div', {
    class: 'heap-bar',
    role: 'img',
    'aria-label': KINDS.map(([kind, label]) => `${label} ${formatBytes(parts[kind])}`).join(', '),
  });
  for (const [kind, label] of KINDS) {
    if (parts[kind] === 0) continue;
    const part = element('span', {class: kind, title: `${label}: ${formatBytes(parts[kind])}`});
    part.style.width = `${(100 * parts[kind]) / whole}%`;
    bar.append(part);
  }
  const place = local === undefined ? '' : local ? ' · device' : ' · host';
  return element(
    'div',
    {class: 'heap'},
    element(
      'div',
      {class: 'heap-head'},
      element('span', {}, `Heap ${heap}${place}`),
      element('span', {}, `${formatBytes(used)} of ${formatBytes(bytes)}`),
    ),
    bar,
  );
}

function renderLegend(devices) {
  const total = (kind) =>
    devices.flatMap(({heaps}) => heaps).reduce((sum, heap) => sum + heap.parts[kind], 0);
  return element(
    'ul',
    {class: 'legend'},
    KINDS.filter(([kind]) => total(kind) > 0).map(([kind, label]) =>
      element(
        'li',
        {},
        element('span', {class: `swatch ${kind}`}),
        element('span', {}, label),
        element('span', {}, formatBytes(total(kind))),
      ),
    ),
  );
}

const STATES = {available: 'loads when asked', loading: 'loading', loaded: 'loaded', failed: 'failed'};

function renderModel(model) {
  const {name, state, progress, error, memory, service, format, parameters, context} = model;
  const card = element('div', {class: 'card'}, element('h4', {}, name));
  const kind = [parameters ? formatParameters(parameters) : null, format].filter(Boolean).join(' · ');
  card.append(row(kind || 'State', STATES[state] ?? state));
  if (progress?.bytes_total > 0) {
    card.append(
      element('progress', {
        max: progress.bytes_total,
        value: progress.bytes_done,
        'aria-label': `Loading ${name}`,
      }),
      row('Read', `${formatBytes(progress.bytes_done)} of ${formatBytes(progress.bytes_total)}`),
    );
  }
  if (error) card.append(element('div', {class: 'failure'}, error));
  if (memory) {
    card.append(row('Weights', formatBytes(memory.weights)));
    card.append(
      row(
        'KV cache',
        memory.kv_limit
          ? `${formatBytes(memory.kv)} of ${formatBytes(memory.kv_limit)}`
          : formatBytes(memory.kv),
      ),
    );
  }
  if (context) card.append(row('Context', `${formatCount(context)} tokens`));
  if (service) {
    const count = (stage) => service.requests.filter((request) => request.stage === stage).length;
    const busy = count('reading') + count('answering');
    card.append(
      row(
        'Answers now',
        `${busy} of ${service.slots}${count('waiting') > 0 ? `, ${count('waiting')} wait` : ''}`,
      ),
    );
    if (service.tokens_per_second > 0)
      card.append(row('Speed now', `${formatRate(service.tokens_per_second)} tokens/s`));
    card.append(row('Kept for later', `${formatCount(service.cached_tokens)} tokens`));
  }
  return card;
}

/** Each of the readings that the machine gives. */
function renderMachine(machine) {
  const readings = [
    [
      'temperature_celsius',
      machine?.max_temperature_celsius
        ? `of ${Math.round(machine.max_temperature_celsius)} °C`
        : 'Temperature',
      (value) => `${Math.round(value)} °C`,
    ],
    ['power_watts', 'Power', (value) => `${Math.round(value)} W`],
    ['clock_mhz', 'Clock', (value) => `${(value / 1000).toFixed(2)} GHz`],
  ].filter(([name]) => typeof machine?.[name] === 'number');
  if (readings.length === 0) return [];
  return [
    element('h3', {}, 'Machine'),
    element(
      'div',
      {class: 'readings'},
      readings.map(([name, label, show]) =>
        element('div', {class: 'reading'}, element('b', {}, show(machine[name])), label),
      ),
    ),
  ];
}
