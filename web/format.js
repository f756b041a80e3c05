// Numbers as people read them.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** 1288490189 -> "1.2 GiB" */
export function formatBytes(bytes) {
  let value = bytes;
  let unit = 0;
  while (value >= 1023.5 && unit + 1 < UNITS.length) {
    value /= 1024;
    ++unit;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

/** 1204 -> "1,204" */
export function formatCount(count) {
  return Math.round(count).toLocaleString('en');
}

/** 8.31 -> "8.3", 131.2 -> "131" */
export function formatRate(rate) {
  return rate < 100 ? rate.toFixed(1) : formatCount(rate);
}

/** 0.024 -> "24 ms", 0.24 -> "0.2 s", 75 -> "1 min 15 s" */
export function formatSeconds(seconds) {
  if (seconds < 0.1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** 405849243648 -> "406B" */
export function formatParameters(count) {
  if (count >= 1e9) return `${count < 1e10 ? (count / 1e9).toFixed(1) : Math.round(count / 1e9)}B`;
  return `${Math.round(count / 1e6)}M`;
}
