// How numbers look: the same as in `appd status`.

export function size(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (n >= 999.95 && i < units.length - 1) { n /= 1024; i++; }
  return (i && n < 100 ? n.toFixed(1) : Math.round(n)) + " " + units[i];
}

// span takes nanoseconds, as Go writes a duration.
export function span(ns) {
  const s = Math.max(0, ns / 1e9), whole = Math.floor(s);
  if (s >= 360000) return `${Math.floor(s / 86400)}d${Math.floor(s / 3600) % 24}h`;
  if (s >= 3600) return `${Math.floor(s / 3600)}h${Math.floor(s / 60) % 60}m`;
  if (s >= 60) return `${Math.floor(s / 60)}m${whole % 60}s`;
  if (s >= 1) return s.toFixed(1) + "s";
  if (s >= 0.01) return Math.round(s * 1e3) + "ms";
  if (s >= 0.001) return (s * 1e3).toFixed(1) + "ms";
  return s ? Math.round(s * 1e6) + "µs" : "0s";
}

export function rate(v) {
  if (!v) return "0";
  if (v < 10) return v.toFixed(1);
  if (v < 10000) return Math.round(v).toString();
  return (v / 1000).toFixed(v < 100000 ? 1 : 0) + "k";
}

export const count = (n) => n.toLocaleString("en").replaceAll(",", "\u202f");

export const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
