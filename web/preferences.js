// Small values that this browser keeps; where it keeps none they last as long as the page.

const kept = new Map();

export function readPreference(name, fallback) {
  try {
    const text = localStorage.getItem(`caldera.${name}`);
    if (text !== null) return JSON.parse(text);
  } catch {
    // No storage, or not ours: as if it were not there.
  }
  return kept.get(name) ?? fallback;
}

export function writePreference(name, value) {
  kept.set(name, value);
  try {
    localStorage.setItem(`caldera.${name}`, JSON.stringify(value));
  } catch {
    // Full or switched off.
  }
}
