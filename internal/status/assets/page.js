// The status page: asks for what is new every other second and shows it.
//
// Everything that comes from outside (paths, ids, output of workers) is put into text
// nodes only.

import {Chart, html} from "./chart.js";
import {count, plural, rate, size, span} from "./words.js";

const $ = (id) => document.getElementById(id);
const small = (text) => html("small", "", " " + text);
const seconds = (v) => v ? span(v * 1e9) : "–";
const whole = (max, least) => Math.max(least, 2 * Math.ceil(max / 2));

const charts = [
  new Chart($("requests"), {
    name: "Requests", stacked: true, least: 1, unit: (v) => rate(v) + "/s",
    value: (s) => [rate(s.requests), small("per second")],
    series: [
      {name: "2xx", color: "blue", of: (s) => s.classes[2] + s.classes[1]},
      {name: "3xx", color: "teal", of: (s) => s.classes[3]},
      {name: "4xx", color: "amber", of: (s) => s.classes[4]},
      {name: "5xx", color: "red", of: (s) => s.classes[5]},
      {name: "none", color: "grey", of: (s) => s.classes[0]},
    ],
  }),
  new Chart($("latency"), {
    name: "Time to answer", log: true, least: 0.0001, unit: seconds, has: (s) => s.p99 > 0,
    value: (s) => [seconds(s.p50), small("median, "), seconds(s.p99), small("for 99 %")],
    series: [
      {name: "99 %", color: "violet-3", of: (s) => s.p99},
      {name: "90 %", color: "violet-2", of: (s) => s.p90},
      {name: "50 %", color: "violet", of: (s) => s.p50},
    ],
  }),
  new Chart($("in-flight"), {
    name: "In flight", least: 4, axis: whole, unit: (v) => Math.round(v),
    value: (s) => [count(s.in_flight), small(plural(s.open, "connection"))],
    series: [{name: "requests", color: "blue", of: (s) => s.in_flight}],
  }),
  new Chart($("queue"), {
    name: "Accept queue", least: 4, axis: whole, unit: (v) => Math.round(v),
    value: (s) => [count(s.queue), small("waiting")],
    series: [{name: "waiting", color: "amber", of: (s) => s.queue}],
  }),
  new Chart($("cpu"), {
    name: "Processor", least: 0.1, unit: (v) => Math.round(v * 100) + " %",
    value: (s) => [Math.round(s.cpu * 100) + " %"],
    series: [{name: "of one CPU", color: "teal", of: (s) => s.cpu}],
  }),
  new Chart($("memory"), {
    name: "Memory", least: 1 << 20, unit: size,
    axis: (max, least) => { let top = least; while (top < max) top *= top * 1.5 >= max ? 1.5 : 2; return top; },
    value: (s) => [size(s.memory)],
    series: [{name: "all workers", color: "violet-2", of: (s) => s.memory}],
  }),
];

// cell appends a cell to a row: a text, or nodes.
function cell(row, content, className) {
  const td = html("td", className, undefined, row);
  td.append(...[content].flat());
  return td;
}

function fill(tbody, rows) {
  tbody.replaceChildren(...rows);
}

function pill(text, kind = text) {
  return html("span", "pill " + kind, text);
}

// meter is a bar with a text behind it; part is 0 to 1.
function meter(part, text, kind = "") {
  const m = html("div", "meter");
  const bar = html("div", "fill " + kind, undefined, html("div", "track", undefined, m));
  bar.style.width = Math.min(100, Math.max(0, part * 100)).toFixed(1) + "%";
  html("span", "", text, m);
  return m;
}

const served = (w) => Object.values(w.counters.requests ?? {}).flatMap(Object.values).reduce((a, b) => a + b, 0);

// speed is what each process does, from this answer and the one before.
function speed(status, before, interval) {
  const speeds = new Map();
  for (const w of status.workers ?? []) {
    const old = before?.workers?.find((o) => o.pid === w.pid);
    if (old && interval > 0) {
      speeds.set(w.pid, {requests: Math.max(0, served(w) - served(old)) / interval, cpu: Math.max(0, w.cpu - old.cpu) / 1e9 / interval});
    }
  }
  return speeds;
}

function note(w) {
  const notes = [];
  if (w.reason) notes.push(w.reason);
  if (w.restarts) notes.push(plural(w.restarts, "failure") + " in a row");
  if (w.pid && w.beat > 5e9) notes.push("silent for " + span(w.beat));
  return notes.join(", ");
}

function showWorkers(status, speeds, now) {
  const most = Math.max(1, ...[...speeds.values()].map((s) => s.requests));
  const ready = (status.workers ?? []).filter((w) => w.state === "ready").length;
  $("workers-note").textContent = `${ready} of ${status.workers_wanted} ready`;
  fill($("workers").tBodies[0], (status.workers ?? []).map((w) => {
    const row = html("tr"), fast = speeds.get(w.pid);
    cell(row, String(w.slot));
    cell(row, String(w.generation), "n");
    cell(row, w.pid ? String(w.pid) : "–", "n");
    cell(row, pill(w.state));
    cell(row, w.pid ? span((now - Date.parse(w.started)) * 1e6) : "–", "n");
    cell(row, count(w.requests), "n");
    cell(row, meter((fast?.requests ?? 0) / most, fast ? rate(fast.requests) : "–"));
    cell(row, w.errors ? pill(count(w.errors), "bad") : "0", "n");
    cell(row, String(w.gauges.active ?? 0), "n");
    cell(row, String(w.gauges.open ?? 0), "n");
    cell(row, w.pss ? size(w.pss) : "–", "n");
    cell(row, fast ? Math.round(fast.cpu * 100) + " %" : "–", "n");
    cell(row, note(w), "note");
    return row;
  }));
}

function showFlight(status) {
  const list = (status.workers ?? []).flatMap((w) => (w.in_flight ?? []).map((r) => ({...r, slot: w.slot})));
  list.sort((a, b) => b.age - a.age);
  $("flight").parentElement.hidden = !list.length;
  $("flight-none").hidden = list.length > 0;
  $("flight-note").textContent = list.length > 50 ? `the oldest 50 of ${list.length}` : "";
  fill($("flight").tBodies[0], list.slice(0, 50).map((r) => {
    const row = html("tr"), part = r.limit ? r.owned / r.limit : 0;
    cell(row, String(r.slot));
    cell(row, html("code", "", `${r.method} ${r.path}`), "text");
    const text = span(r.owned) + (r.limit ? " of " + span(r.limit) : "") + (r.paused ? ", paused" : "");
    cell(row, r.limit ? meter(part, text, part > 0.9 ? "bad" : part > 0.5 ? "warn" : "") : text);
    cell(row, span(r.age), "n");
    cell(row, r.remote ?? "");
    cell(row, html("code", "", r.id ?? ""), "text");
    return row;
  }));
}

function showListeners(status) {
  fill($("listeners").tBodies[0], (status.listeners ?? []).map((l) => {
    const row = html("tr"), part = l.limit ? l.queue / l.limit : 0;
    cell(row, html("code", "", l.address), "text");
    cell(row, l.protocol);
    cell(row, l.queue < 0 ? "–" : meter(part, `${l.queue} of ${l.limit}`, part > 0.7 ? "bad" : part > 0.3 ? "warn" : ""));
    return row;
  }));
}

function output(lines, parent) {
  if (lines?.length) html("pre", "", lines.join("\n"), parent);
}

function showReload(r, now) {
  const panel = html("div", "panel");
  if (!r) {
    html("p", "dim", "Nothing has been reloaded since the start.", panel);
  } else {
    const p = html("p", "", undefined, panel);
    p.append(r.ok ? pill("done", "ok") : pill("refused", "bad"), ` ${span((now - Date.parse(r.at)) * 1e6)} ago, took ${span(r.took)}, generation ${r.generation}`);
    p.append(r.ok ? " is in force" : " goes on");
    const [first, ...more] = (r.reason ?? "").trimEnd().split("\n");
    if (first) html("p", "", first, panel);
    output([...more, ...(r.output ?? [])], panel);
  }
  $("reload").replaceChildren(panel);
}

const meant = new Set(["reload", "scaled down", "stopped", "upgraded", "max requests", "max age", "max memory", "socket replaced"]);
const signals = {1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 13: "SIGPIPE", 15: "SIGTERM"};

function death(d) {
  const box = html("details", "panel"), head = html("summary", "", undefined, box);
  const how = d.signal ? (signals[d.signal] ?? "signal " + d.signal) + (d.by ? " by " + d.by : "") : d.pid ? "exit status " + d.code : "it could not be started";
  head.append(`${new Date(d.at).toLocaleString()} worker ${d.slot} gen ${d.generation} pid ${d.pid} `, pill(d.reason, meant.has(d.reason) ? "" : "bad"));
  html("p", "dim", `${how}, after ${span(d.age)} and ${plural(d.requests, "request")}`, box);
  for (const r of d.in_flight ?? []) {
    const p = html("p", "", "lost ", box);
    html("code", "", `${r.method} ${r.path}`, p);
    p.append(` after ${span(r.age)}`);
  }
  const why = (d.why ?? "").trimEnd().split("\n").at(-1); // the last line of a traceback says most
  if (why && !meant.has(d.reason)) html("p", "", "because: " + why, box);
  output(d.output, box);
  return box;
}

// showDeaths builds the list anew only when it changed, so that what somebody has
// opened stays open.
let deathsShown;
function showDeaths(status) {
  const key = JSON.stringify((status.deaths ?? []).map((d) => [d.pid, d.at]));
  if (key === deathsShown) return;
  deathsShown = key;
  const list = status.deaths ?? [];
  $("deaths-note").textContent = list.length ? "the latest first" : "";
  $("deaths").replaceChildren(...(list.length ? list.map(death) : [html("p", "none", "No worker has ended since the start.")]));
}

function showHead(status, version, now) {
  document.title = `${status.app} – appd`;
  $("app").textContent = status.app;
  const state = status.stopping ? "stopping" : status.ready ? "ready" : "not ready";
  $("state").textContent = state;
  $("state").className = "pill " + (status.ready ? "ready" : status.stopping ? "stopping" : "bad");
  const facts = {kind: status.kind, generation: status.generation, pid: status.pid, up: span((now - Date.parse(status.started)) * 1e6)};
  $("facts").replaceChildren(...Object.entries(facts).map(([name, value]) => {
    const pair = html("div");
    html("dt", "", name, pair);
    html("dd", "", String(value), pair);
    return pair;
  }));
  $("version").textContent = "appd " + version;
}

let samples = [], before, beforeAt = 0, latest = "", step = 2000, asking = false;

function show(answer) {
  const now = Date.parse(answer.now);
  const clock = now - Date.now(); // what the server's clock is ahead of ours
  step = answer.step * 1000;
  if (before && before.pid !== answer.status.pid) samples = []; // another supervisor
  samples = samples.concat(answer.samples.map((s) => ({...s, at: Date.parse(s.at) - clock}))).slice(-answer.length);
  latest = answer.samples.at(-1)?.at ?? latest;
  charts.forEach((c) => c.update(samples, step * 1.25));
  showHead(answer.status, answer.version, now);
  showWorkers(answer.status, speed(answer.status, before, (now - beforeAt) / 1000), now);
  showFlight(answer.status);
  showListeners(answer.status);
  showReload(answer.status.last_reload, now);
  showDeaths(answer.status);
  [before, beforeAt] = [answer.status, now];
}

async function ask() {
  if (asking) return;
  asking = true;
  const live = $("live");
  try {
    const response = await fetch("history" + (latest ? "?after=" + encodeURIComponent(latest) : ""), {signal: AbortSignal.timeout(8000)});
    if (!response.ok) throw new Error((await response.text()).trim());
    show(await response.json());
    live.className = "live";
    live.textContent = "live";
    live.title = "the page is up to date";
  } catch (error) {
    live.className = "live lost";
    live.textContent = "no answer";
    live.title = String(error.message ?? error);
  }
  asking = false;
}

async function turn() {
  if (!document.hidden) await ask();
  setTimeout(turn, step);
}

let drawn = 0;
function slide(now) {
  if (now - drawn > 60) { // sixteen pictures a second are smooth enough for a pixel or two
    drawn = now;
    charts.forEach((c) => c.move(Date.now()));
  }
  requestAnimationFrame(slide);
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
turn();
requestAnimationFrame(slide);
