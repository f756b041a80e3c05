// What lies where: the heaps of /v1/status's models, put together.

export const KINDS = [
  ['weights', 'Weights'],
  ['kv', 'KV cache'],
  ['activations', 'Activations'],
  ['staging', 'Staging'],
  ['slack', 'Reserved'],
];

/**
 * The devices with their heaps, each heap with the bytes of every kind that all models together have in it:
 * [{name, driver, heaps: [{heap, bytes, local, used, parts: {weights, kv, ...}}]}]. "slack" is what was taken
 * from the driver and holds nothing yet.
 */
export function layOutMemory(models) {
  const devices = new Map();
  for (const model of models) {
    if (!model.memory || !model.device) continue;
    const {name, driver} = model.device;
    if (!devices.has(name)) devices.set(name, {name, driver, heaps: new Map()});
    const {heaps} = devices.get(name);
    for (const use of model.memory.heaps ?? []) {
      if (!heaps.has(use.heap)) {
        const parts = Object.fromEntries(KINDS.map(([kind]) => [kind, 0]));
        heaps.set(use.heap, {heap: use.heap, bytes: use.bytes, local: use.device_local, used: 0, parts});
      }
      const heap = heaps.get(use.heap);
      let held = 0;
      for (const kind of ['weights', 'kv', 'activations', 'staging']) {
        heap.parts[kind] += use[kind] ?? 0;
        held += use[kind] ?? 0;
      }
      const slack = Math.max(0, (use.reserved ?? 0) - held);
      heap.parts.slack += slack;
      heap.used += held + slack;
    }
  }
  return [...devices.values()].map((device) => ({
    ...device,
    heaps: [...device.heaps.values()].sort((one, other) => one.heap - other.heap),
  }));
}
