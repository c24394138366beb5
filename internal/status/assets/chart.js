// A graph of the last ten minutes that moves with the time.
//
// A Chart draws samples {at: milliseconds, ...} into a figure. Paths are built once a
// sample; between samples only one group is shifted, so that a page that is left open
// costs next to nothing.

const svgNS = "http://www.w3.org/2000/svg";
const still = matchMedia("(prefers-reduced-motion: reduce)");
const left = 4, top = 8, bottom = 18; // room for the labels

function svg(name, attributes, parent) {
  const e = document.createElementNS(svgNS, name);
  for (const key in attributes) e.setAttribute(key, attributes[key]);
  parent?.append(e);
  return e;
}

function html(name, className, text, parent) {
  const e = document.createElement(name);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  parent?.append(e);
  return e;
}

// nice is the next number above v that people like to read on an axis.
function nice(v, least) {
  v = Math.max(v, least);
  const power = 10 ** Math.floor(Math.log10(v));
  for (const step of [1, 2, 2.5, 5, 10]) if (step * power >= v * 0.999) return step * power;
  return 10 * power;
}

let clips = 0;

export class Chart {
  // options: name; log for an axis of powers of ten; has(sample) where not every sample
  // has values; series [{name, color, of(sample)}], the first drawn lowest; stacked;
  // unit(value) makes a text; value(sample) the text in large; least the smallest top of
  // the axis; axis(max) makes another top than nice.
  constructor(figure, options) {
    this.figure = figure;
    this.options = options;
    this.samples = [];
    this.span = 600_000;
    const caption = html("figcaption", "", undefined, figure);
    html("span", "name", options.name, caption);
    if (options.series.length > 1) this.legend(html("span", "legend", undefined, caption));
    this.value = html("span", "value", "–", caption);
    this.build();
    this.tip = html("div", "tip", undefined, figure);
    this.root.addEventListener("pointermove", (e) => this.point(e));
    this.root.addEventListener("pointerleave", () => this.unpoint());
    new ResizeObserver(() => this.draw()).observe(this.root);
  }

  legend(parent) {
    for (const s of this.options.series) {
      const item = html("span", "", undefined, parent);
      html("i", "c-" + s.color, undefined, item);
      item.append(s.name);
    }
  }

  build() {
    const root = this.root = svg("svg", {role: "img", "aria-label": this.options.name}, this.figure);
    const clip = "clip-" + clips++;
    this.clip = svg("rect", {}, svg("clipPath", {id: clip}, svg("defs", {}, root)));
    this.grid = svg("g", {}, root);
    const window = svg("g", {"clip-path": `url(#${clip})`}, root);
    this.moving = svg("g", {}, window);
    this.labels = svg("g", {}, root);
    this.cursor = svg("line", {class: "cursor"}, root);
    this.paths = this.options.series.map((s) => ({
      area: svg("path", {class: `c-${s.color} ${this.options.stacked ? "stacked" : "area"}`}, this.moving),
      line: this.options.stacked ? null : svg("path", {class: `c-${s.color} line`}, this.moving),
    }));
  }

  // update takes all samples; delay is how far, in milliseconds, the picture is behind
  // the time, so that the next sample can slide in.
  update(samples, delay) {
    this.samples = samples;
    this.delay = delay;
    const last = samples.at(-1);
    this.value.replaceChildren(...(last ? this.options.value(last) : ["–"]));
    this.draw();
  }

  // tops is the height of each series at a sample, the ones below it included.
  tops(sample) {
    let sum = 0;
    return this.options.series.map((s) => this.options.stacked ? (sum += s.of(sample)) : s.of(sample));
  }

  draw() {
    const width = this.width = this.root.clientWidth, height = this.root.clientHeight;
    if (!width) return;
    this.base = height - bottom;
    for (const [key, v] of Object.entries({x: left, y: 0, width: Math.max(0, width - 2 * left), height: this.base + 1})) this.clip.setAttribute(key, v);
    const tops = this.samples.map((s) => this.tops(s));
    const max = Math.max(0, ...tops.flat());
    this.max = this.options.log ? this.options.least * 10 ** Math.max(2, Math.ceil(Math.log10(max / this.options.least || 1))) : (this.options.axis ?? nice)(max, this.options.least);
    this.origin = this.samples.at(-1)?.at ?? 0;
    this.drawGrid(width);
    this.paths.forEach((path, i) => this.drawSeries(path, i, tops));
    this.move(Date.now());
  }

  x(at) { return (at - this.origin) * (this.width - 2 * left) / this.span; }

  y(v) {
    const {log, least} = this.options;
    const part = log ? Math.log(Math.max(v, least) / least) / Math.log(this.max / least) : v / this.max;
    return this.base - part * (this.base - top);
  }

  // marks are the values that get a line and a label.
  marks() {
    if (!this.options.log) return [this.max / 2, this.max];
    const marks = [];
    for (let v = this.max; v > this.options.least * 1.01; v /= 10) marks.push(v);
    return marks;
  }

  drawGrid(width) {
    this.grid.replaceChildren();
    this.labels.replaceChildren();
    const line = (v) => {
      const y = Math.round(this.y(v)) + 0.5;
      svg("line", {class: "grid", x1: left, x2: width - left, y1: y, y2: y}, this.grid);
      return y;
    };
    line(0);
    for (const v of this.marks()) svg("text", {x: left, y: line(v) + 12}, this.labels).textContent = this.options.unit(v);
    const label = (x, anchor, text) => svg("text", {x, y: this.base + 14, "text-anchor": anchor}, this.labels).textContent = text;
    label(left, "start", "10 min ago");
    if (width > 320) label(width / 2, "middle", "5");
    label(width - left, "end", "now");
  }

  drawSeries(path, i, tops) {
    const runs = this.runs();
    let area = "", line = "";
    for (const [from, to] of runs) {
      const upper = [], lower = [];
      for (let k = from; k <= to; k++) {
        const x = this.x(this.samples[k].at).toFixed(1);
        upper.push(`${x},${this.y(tops[k][i]).toFixed(1)}`);
        const below = this.options.stacked && i ? tops[k][i - 1] : 0;
        lower.push(`${x},${this.y(below).toFixed(1)}`);
      }
      line += "M" + upper.join("L");
      area += "M" + upper.join("L") + "L" + lower.reverse().join("L") + "Z";
    }
    path.area.setAttribute("d", area);
    path.line?.setAttribute("d", line);
  }

  // runs are the stretches without a gap, as pairs of indices.
  runs() {
    const runs = [], has = this.options.has ?? (() => true);
    let end = -1; // of the run at hand
    this.samples.forEach((s, i) => {
      if (!has(s)) return;
      if (end === i - 1 && i && s.at - this.samples[end].at < 3 * this.delay) runs.at(-1)[1] = i;
      else runs.push([i, i]);
      end = i;
    });
    return runs;
  }

  // move shifts the picture to a moment.
  move(now) {
    if (!this.width || !this.samples.length) return;
    const shown = still.matches ? this.origin : now - this.delay;
    this.shift = this.width - left - this.x(shown);
    this.moving.setAttribute("transform", `translate(${this.shift.toFixed(1)} 0)`);
  }

  point(event) {
    if (!this.samples.length) return;
    const at = event.offsetX - this.shift;
    const near = this.samples.reduce((a, b) => Math.abs(this.x(b.at) - at) < Math.abs(this.x(a.at) - at) ? b : a);
    const x = this.x(near.at) + this.shift;
    if (x < left || x > this.width) return this.unpoint();
    for (const [key, v] of Object.entries({x1: x, x2: x, y1: top, y2: this.base})) this.cursor.setAttribute(key, v);
    this.cursor.style.visibility = "visible";
    this.tip.replaceChildren();
    html("b", "", new Date(near.at).toLocaleTimeString(), this.tip);
    for (const s of [...this.options.series].reverse()) {
      const row = html("span", "", undefined, this.tip);
      html("i", "c-" + s.color, undefined, row);
      row.append(`${s.name} ${this.options.unit(s.of(near))}`);
    }
    const room = this.figure.clientWidth - this.tip.offsetWidth - 8;
    this.tip.style.left = Math.max(8, Math.min(room, x + this.root.getBoundingClientRect().left - this.figure.getBoundingClientRect().left + 12)) + "px";
    this.tip.style.top = this.root.offsetTop + 6 + "px";
    this.tip.style.visibility = "visible";
  }

  unpoint() {
    this.cursor.style.visibility = this.tip.style.visibility = "hidden";
  }
}

export {html};
