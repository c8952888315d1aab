// Charts of any range: reads /api/chart at the zoom that is shown, draws it as SVG, and keeps the address in step.
const NS = "http://www.w3.org/2000/svg", MS = 1e6;
const STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000, 63072000, 157680000].map((s) => s * 1000);
const LEAST = 1, MOST = 4e12, FAR = 7e12, GAP = 6; // ms shown at least and at most, ms from 1970 at most; a pause of so many usual steps breaks the line
const el = (name, attributes = {}, ...children) => {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};
const html = (name, cls, text) => Object.assign(document.createElement(name), { className: cls, textContent: text ?? "" });

// ---- times in the plant's zone
const shift = (t, zone) => { // ms that the zone is ahead of UTC at t
  const parts = Object.fromEntries(new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" }).formatToParts(t).map((p) => [p.type, p.value]));
  return Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second) - Math.floor(t / 1000) * 1000;
};
const moment = (t, zone, fine) => {
  const text = new Intl.DateTimeFormat("en-GB", { timeZone: zone, year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", ...(fine < 60000 ? { second: "2-digit" } : {}), ...(fine < 1000 ? { fractionalSecondDigits: 3 } : {}), hourCycle: "h23" }).format(t);
  return text;
};
const label = (t, zone, step) => {
  const at = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options }).format(t);
  if (step >= 28 * 86400000) return at({ year: "numeric", month: "short" });
  if (step >= 86400000 || (step >= 3600000 && (t + shift(t, zone)) % 86400000 === 0)) return at({ day: "numeric", month: "short" });
  if (step >= 60000) return at({ hour: "2-digit", minute: "2-digit" });
  return at({ hour: "2-digit", minute: "2-digit", second: "2-digit", ...(step < 1000 ? { fractionalSecondDigits: 3 } : {}) });
};
const ticks = (start, end, count, zone) => {
  const step = STEPS.find((s) => (end - start) / s <= count) ?? STEPS[STEPS.length - 1] * Math.ceil((end - start) / count / STEPS[STEPS.length - 1]);
  const out = [], off = shift(start, zone);
  for (let t = Math.ceil((start + off) / step) * step - off; t <= end; t += step) out.push(t);
  return [out, step];
};
const span = (ms) => { for (const [size, word] of [[31536000000, "y"], [86400000, "d"], [3600000, "h"], [60000, "min"], [1000, "s"]]) if (ms >= size) return `${+(ms / size).toPrecision(3)} ${word}`; return `${+ms.toPrecision(3)} ms`; };
const local = (t, zone) => new Date(t + shift(t, zone)).toISOString().slice(0, 19);
const utc = (text, zone) => { const t = Date.parse(`${text}Z`); const first = t - shift(t, zone); return t - shift(first, zone); };

// ---- numbers
const nice = (low, high, count = 4) => {
  if (!(high - low > 1e-12 * Math.max(1, Math.abs(high)))) { const pad = Math.abs(high) * 0.1 || 1; low -= pad; high += pad; }
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw * (1 - 1e-9));
  const bottom = Math.floor(low / step + 1e-9) * step, top = Math.ceil(high / step - 1e-9) * step, out = [];
  for (let i = 0; i <= Math.round((top - bottom) / step); i++) out.push(bottom + i * step);
  return [bottom, top, out, Math.max(0, -Math.floor(Math.log10(step) + 1e-9))];
};
const number = (value, digits) => value == null ? "–" : value.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: Math.min(digits, 2) }).replaceAll(",", "\u202f").replace("-", "−");
const worded = (data, value, digits) => value == null ? "no value" : data.kind === "state" ? data.codes[Math.round(value)] ?? String(value) : `${number(value, digits)} ${data.unit}`.trim();

// ---- one panel
class Panel {
  constructor(chart, signal) {
    this.chart = chart; this.signal = signal;
    this.figure = html("figure", "big-chart");
    this.caption = html("figcaption", "");
    this.svg = el("svg", { class: "big-plot", role: "img" });
    this.tip = html("div", "chart-tip");
    this.tip.hidden = true;
    this.figure.append(this.caption, this.svg, this.tip);
    this.drag();
  }
  async read(start, end, known) {
    const asked = new URLSearchParams({ thing: this.chart.thing, signal: this.signal, units: this.chart.units, pixels: Math.max(50, Math.min(4000, Math.round(this.width()))) });
    if (start != null) { asked.set("start", String(BigInt(Math.round(start * 1000)) * 1000n)); asked.set("end", String(BigInt(Math.round(end * 1000)) * 1000n)); }
    if (known != null) asked.set("known_by", String(BigInt(Math.round(known)) * 1000000n));
    this.abort?.abort();
    this.abort = new AbortController();
    const answer = await fetch(`/api/chart?${asked}`, { credentials: "same-origin", signal: this.abort.signal });
    const data = await answer.json();
    if (!answer.ok) throw data;
    data.t = data.t_ns.map((t) => t / MS); data.step = data.step_ns / MS; data.start = data.start_ns / MS; data.end = data.end_ns / MS;
    return (this.data = data);
  }
  width() { return Math.max(120, this.svg.clientWidth || this.figure.clientWidth || 600) - this.left(); }
  left() { return innerWidth < 600 ? 46 : 64; }
  x(t) { return this.left() + ((t - this.chart.start) / (this.chart.end - this.chart.start)) * this.width(); }
  t(x) { return this.chart.start + ((x - this.left()) / this.width()) * (this.chart.end - this.chart.start); }
  draw() {
    if (!(this.chart.end > this.chart.start)) return;
    const data = this.data, wide = this.width() + this.left(), tall = innerWidth < 600 ? 150 : 190, foot = 22, state = data.kind === "state";
    const shown = data.t.map((t, i) => i).filter((i) => data.t[i] + data.step >= this.chart.start && data.t[i] <= this.chart.end);
    const values = shown.filter((i) => data.count[i]);
    let [low, high, marks, digits] = nice(Math.min(...values.map((i) => data.min[i])), Math.max(...values.map((i) => data.max[i])), 3);
    if (!values.length) [low, high, marks, digits] = [0, 1, [], 1];
    const codes = Object.keys(data.codes).map(Number).sort((a, b) => a - b);
    if (state) { marks = codes; [low, high] = [-0.4, codes.length - 0.6]; }
    this.digits = data.kind === "counter" ? 0 : digits + 1;
    const place = (v) => { const at = codes.indexOf(Math.round(v)); return at < 0 ? codes.length - 1 : at; };
    const y = (v) => 8 + (1 - ((state ? place(v) : v) - low) / (high - low)) * (tall - foot - 16);
    this.svg.setAttribute("viewBox", `0 0 ${wide} ${tall}`); this.svg.style.height = `${tall}px`;
    const [times, step] = ticks(this.chart.start, this.chart.end, this.width() / 92, this.chart.zone), parts = [];
    const clip = `clip-${this.chart.panels.indexOf(this)}`;
    parts.push(el("clipPath", { id: clip }, el("rect", { x: this.left(), y: 0, width: this.width(), height: tall - foot })));
    for (const v of marks) parts.push(el("line", { class: "rule", x1: this.left(), x2: wide, y1: y(v), y2: y(v) }), Object.assign(el("text", { class: "tick", x: this.left() - 7, y: y(v) + 4, "text-anchor": "end" }), { textContent: state ? data.codes[v] : number(v, digits) }));
    for (const t of times) if (this.x(t) >= this.left()) {
      const at = this.x(t), edge = at > wide - 26 ? "end" : at < this.left() + 14 ? "start" : "middle";
      parts.push(el("line", { class: "rule up", x1: at, x2: at, y1: 4, y2: tall - foot }), Object.assign(el("text", { class: "tick", x: at, y: tall - 6, "text-anchor": edge }), { textContent: label(t, this.chart.zone, step) }));
    }
    const inner = el("g", { "clip-path": `url(#${clip})` });
    for (const [name, limit] of [["low", data.low], ["high", data.high]]) if (limit != null && limit > low && limit < high) inner.append(el("line", { class: "limit", x1: this.left(), x2: wide, y1: y(limit), y2: y(limit) }));
    this.series(inner, values, y, tall - foot);
    this.specials(inner, tall - foot);
    parts.push(inner);
    if (!values.length) parts.push(Object.assign(el("text", { class: "nothing", x: (wide + this.left()) / 2, y: tall / 2, "text-anchor": "middle" }), { textContent: shown.length ? "No good value in this time" : "Nothing was said in this time" }));
    parts.push(el("rect", { class: "select", y: 4, height: tall - foot - 4, width: 0 }), el("line", { class: "cursor", y1: 4, y2: tall - foot, x1: 0, x2: 0, visibility: "hidden" }));
    this.svg.replaceChildren(...parts);
    this.describe(values);
  }
  pieces(values) { // unbroken runs of buckets: a reported gap, or a long pause, ends one
    const data = this.data, steps = values.slice(1).map((i, k) => data.t[i] - data.t[values[k]]).sort((a, b) => a - b), usual = Math.max(data.step, steps[steps.length >> 1] ?? 0), out = [];
    values.forEach((i, k) => {
      const before = values[k - 1];
      let apart = before === undefined || data.t[i] - data.t[before] > usual * GAP;
      for (let j = before; !apart && j < i; j++) apart = data.gaps[j] > 0 || (j > before && !data.count[j] && data.bad[j] > 0);
      if (apart) out.push([]);
      out[out.length - 1].push(i);
    });
    return out;
  }
  series(inner, values, y, floor) {
    const data = this.data, stepped = data.kind !== "gauge", middle = (i) => this.x(data.t[i] + (stepped ? 0 : Math.min(data.step, 1e15) / 2));
    const pieces = this.pieces(values), holes = this.holes(values);
    if (data.kind === "state") this.held(inner, pieces, holes, y);
    for (const piece of pieces) {
      const edge = (name) => piece.map((i) => `${middle(i).toFixed(1)} ${y(data[name][i]).toFixed(1)}`);
      const wide = piece.some((i) => data.max[i] > data.min[i]);
      if (wide && !stepped) inner.append(el("path", { class: "band", d: piece.length > 1 ? `M${edge("max").join("L")}L${edge("min").reverse().join("L")}Z` : "" }));
      if (wide && !stepped && piece.length === 1) inner.append(el("line", { class: "bar", x1: middle(piece[0]), x2: middle(piece[0]), y1: y(data.min[piece[0]]), y2: y(data.max[piece[0]]) }));
      const points = stepped ? piece.flatMap((i, k) => [...(k ? [`${middle(i).toFixed(1)} ${y(data.last[piece[k - 1]]).toFixed(1)}`] : []), `${middle(i).toFixed(1)} ${y(data.last[i]).toFixed(1)}`]) : edge("mean");
      inner.append(piece.length > 1 ? el("path", { class: "mean", d: `M${points.join("L")}` }) : el("circle", { class: "dot", cx: middle(piece[0]), cy: y(stepped ? data.last[piece[0]] : data.mean[piece[0]]), r: 2.5 }));
    }
    for (const [from, to] of holes) inner.append(el("rect", { class: "hole", x: this.x(from), width: Math.max(2, this.x(to) - this.x(from)), y: 4, height: floor - 4 }));
    data.t.forEach((t, i) => {
      if (data.bad[i]) inner.append(el("rect", { class: "bad", x: this.x(t), width: Math.max(3, this.x(t + data.step) - this.x(t)), y: floor - 5, height: 5 }));
      else if (data.quality[i] === 1) inner.append(el("rect", { class: "doubtful", x: this.x(t), width: Math.max(3, this.x(t + data.step) - this.x(t)), y: floor - 5, height: 5 }));
    });
  }
  holes(values) { // [from, to] of every stretch that begins with a reported gap and ends with the next value
    const data = this.data, out = [];
    data.t.forEach((t, i) => {
      if (!data.gaps[i] || (out.length && t < out[out.length - 1][1])) return;
      const next = values.find((j) => j > i);
      out.push([t, next === undefined ? Math.max(t + data.step, Math.min(this.chart.end, this.chart.now())) : data.t[next]]);
    });
    return out;
  }
  held(inner, pieces, holes, y) { // a state holds until another is told: from before the range, and up to now
    const data = this.data, first = pieces[0]?.[0], last = pieces[pieces.length - 1]?.slice(-1)[0], now = Math.min(this.chart.end, this.chart.now());
    const line = (from, to, v) => to > from && inner.append(el("path", { class: "mean", d: `M${this.x(from).toFixed(1)} ${y(v).toFixed(1)}L${this.x(to).toFixed(1)} ${y(v).toFixed(1)}` }));
    const until = (from, to) => Math.min(to, ...holes.map(([gap]) => gap).filter((gap) => gap >= from));
    if (data.before) line(this.chart.start, until(this.chart.start, first === undefined ? now : data.t[first]), data.before.value);
    pieces.forEach((piece, k) => { const end = piece[piece.length - 1]; line(data.t[end], until(data.t[end], end === last ? now : data.t[pieces[k + 1][0]]), data.last[end]); });
  }
  specials(inner) {
    for (const t of (this.data.late?.t_ns ?? [])) { const x = this.x(t / MS); inner.append(el("path", { class: "late", d: `M${x - 4} 4L${x + 4} 4L${x} 11Z` })); }
    for (const t of this.data.corrected.t_ns) { const x = this.x(t / MS); inner.append(el("path", { class: "corrected", d: `M${x} 3L${x + 5} 8L${x} 13L${x - 5} 8Z` })); }
  }
  describe(values) {
    const data = this.data, newest = data.newest, total = data.count.reduce((a, b) => a + b, 0), sum = (name) => data[name].reduce((a, b) => a + b, 0);
    const name = html("span", "", `${data.signal}`), unit = html("span", "note", [data.meaning, data.unit && `in ${data.unit}`].filter(Boolean).join(" ").replace(/\. in /, ", in "));
    const now = html("b", newest?.quality === 2 ? "off" : "");
    if (newest) { now.textContent = worded(data, newest.value, this.digits); now.append(html("small", "note", ` ${age(newest.t_ns / MS)}`)); } else now.textContent = "never heard";
    const mark = Object.assign(html("a", "button small", "Correct…"), { href: `/corrections?${new URLSearchParams({ thing: this.chart.thing, signal: data.signal, start: BigInt(Math.round(this.chart.start * 1000)) * 1000n, end: BigInt(Math.round(this.chart.end * 1000)) * 1000n })}` });
    const words = [`${total.toLocaleString("en").replaceAll(",", "\u202f")} ${total === 1 ? "value" : "values"}`, sum("bad") && `${sum("bad")} bad`, sum("gaps") && `${sum("gaps")} ${sum("gaps") === 1 ? "gap" : "gaps"}`, data.corrected.t_ns.length && `${data.corrected.t_ns.length}${data.corrected.more ? "+" : ""} corrected`, data.late === null ? "zoom in to see late ones" : data.late.t_ns.length && `${data.late.t_ns.length}${data.late.more ? "+" : ""} late`].filter(Boolean).join(", ");
    this.caption.replaceChildren(name, unit, now, html("span", "note facts", words), mark);
    const low = Math.min(...values.map((i) => data.min[i])), high = Math.max(...values.map((i) => data.max[i]));
    this.svg.setAttribute("aria-label", `${data.signal}, ${data.meaning} ${values.length ? `From ${worded(data, low, this.digits)} to ${worded(data, high, this.digits)}.` : "No good value."} ${words}.`);
  }
  point(t) { // shows the bucket at or next to t
    const data = this.data, cursor = this.svg.querySelector(".cursor");
    if (!data || !data.t.length || !cursor) return;
    let best = 0;
    data.t.forEach((at, i) => { if (Math.abs(at + data.step / 2 - t) < Math.abs(data.t[best] + data.step / 2 - t)) best = i; });
    const i = best, x = this.x(data.t[i] + data.step / 2), one = data.count[i] === 1;
    if (x < this.left() || x > this.left() + this.width()) { this.tip.hidden = true; return; }
    cursor.setAttribute("x1", x); cursor.setAttribute("x2", x); cursor.setAttribute("visibility", "visible");
    const lines = [moment(data.t[i], this.chart.zone, data.step)];
    if (data.count[i]) lines.push(one || data.kind === "state" ? worded(data, data.last[i], this.digits) : `${worded(data, data.mean[i], this.digits)}  (${number(data.min[i], this.digits)} to ${number(data.max[i], this.digits)})`);
    const extra = [data.count[i] > 1 && `${data.count[i]} values`, data.bad[i] && `${data.bad[i]} bad`, data.gaps[i] && `${data.gaps[i]} gaps`, data.quality[i] === 1 && "doubtful"].filter(Boolean).join(", ");
    if (extra) lines.push(extra);
    this.tip.replaceChildren(...lines.map((line, k) => html("span", k === 1 && data.count[i] ? "value" : "", line)));
    this.tip.hidden = false;
    const wide = this.svg.clientWidth, at = (x / (this.width() + this.left())) * wide;
    this.tip.style.left = `${Math.max(4, Math.min(at + 12, wide - this.tip.offsetWidth - 4))}px`;
    this.said = `${data.signal}: ${lines.join(", ")}`;
  }
  unpoint() { this.tip.hidden = true; this.svg.querySelector(".cursor")?.setAttribute("visibility", "hidden"); }
  drag() {
    let from = null;
    const at = (event) => { const box = this.svg.getBoundingClientRect(); return ((event.clientX - box.left) / box.width) * (this.width() + this.left()); };
    this.svg.addEventListener("pointerdown", (event) => { if (event.button || !this.data) return; from = at(event); this.svg.setPointerCapture(event.pointerId); });
    this.svg.addEventListener("pointermove", (event) => {
      if (!this.data) return;
      this.chart.point(this.t(at(event)));
      if (from === null) return;
      const box = this.svg.querySelector(".select"), [a, b] = [from, at(event)].sort((p, q) => p - q).map((v) => Math.max(this.left(), v));
      box.setAttribute("x", a); box.setAttribute("width", Math.max(0, b - a));
    });
    const end = (event, keep) => {
      if (from === null) return;
      const [a, b] = [from, at(event)].sort((p, q) => p - q);
      from = null;
      this.svg.querySelector(".select").setAttribute("width", 0);
      if (keep && b - a > 8) this.chart.show(this.t(Math.max(a, this.left())), this.t(b));
    };
    this.svg.addEventListener("pointerup", (event) => end(event, true));
    this.svg.addEventListener("pointercancel", (event) => end(event, false));
    this.svg.addEventListener("pointerleave", () => { if (from === null) this.chart.panels.forEach((p) => p.unpoint()); });
    this.svg.addEventListener("dblclick", () => this.chart.zoom(2));
  }
}
let ahead = 0; // ms that the plant's clock is ahead of this browser's
const age = (t) => { const gone = Date.now() + ahead - t; return gone < 0 ? `in ${span(-gone)}` : gone < 5000 ? "just now" : `${span(gone)} ago`; };

// ---- all panels of a page, on one axis of time
class Chart {
  constructor(root) {
    const told = JSON.parse(root.dataset.chart);
    Object.assign(this, { root, thing: told.thing, zone: told.zone, units: told.units });
    ahead = Number(told.now_ns) / MS - Date.now();
    const ms = (text) => (text ? Number(BigInt(text) / 1000n) / 1000 : null);
    this.start = ms(told.start); this.end = ms(told.end); this.known = ms(told.known_by);
    if (!(this.end - this.start >= LEAST) || Math.max(Math.abs(this.start), Math.abs(this.end)) > FAR + MOST / 2) this.start = this.end = null;
    this.panels = told.signals.map((signal) => new Panel(this, signal));
    root.querySelector(".chart-panels").replaceChildren(...this.panels.map((panel) => panel.figure));
    root.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button?.dataset.span) this.last(Number(button.dataset.span) * 1000);
      if (button?.dataset.do) this.do(button.dataset.do);
    });
    root.addEventListener("keydown", (event) => this.key(event));
    let wide = 0;
    new ResizeObserver(() => { if (root.clientWidth !== wide) { wide = root.clientWidth; clearTimeout(this.sizing); this.sizing = setTimeout(() => this.panels.forEach((p) => p.data && p.draw()), 100); } }).observe(root);
    setInterval(() => this.tick(), 2000);
    this.pick();
    if (this.start != null && this.end != null) this.read(); else this.begin();
  }
  now() { return Date.now() + ahead; }
  async begin() { // without a range: the last hour that has something in it
    await this.read(true);
    const newest = Math.max(...this.panels.map((p) => (p.data?.newest ? p.data.newest.t_ns / MS : -Infinity)));
    if (Number.isFinite(newest)) this.show(newest - 3600e3, newest + 60e3); 
  }
  async read(all = false) {
    const words = this.root.querySelector(".chart-range"), mine = (this.turn = (this.turn ?? 0) + 1);
    this.root.setAttribute("aria-busy", "true");
    const found = await Promise.allSettled(this.panels.map((panel) => panel.read(all ? null : this.start, this.end, this.known)));
    if (mine !== this.turn) return;
    this.root.removeAttribute("aria-busy");
    const good = this.panels.filter((panel, i) => found[i].status === "fulfilled");
    if (all && good.length) { this.start = Math.min(...good.map((p) => p.data.start)); this.end = Math.max(...good.map((p) => p.data.end)); }
    found.forEach((one, i) => {
      if (one.status === "fulfilled") { this.panels[i].draw(); return; }
      const why = one.reason?.given ? `${one.reason.given}${one.reason.todo ? `; ${one.reason.todo}` : ""}` : "the plant could not be reached";
      if (one.reason?.name !== "AbortError") { this.panels[i].data = null; this.panels[i].svg.replaceChildren(); this.panels[i].svg.style.height = "0px"; this.panels[i].caption.replaceChildren(html("span", "", this.panels[i].signal), html("span", "note", why)); }
    });
    if (!good.length) {
      if (this.start == null) { this.end = this.now(); this.start = this.end - 3600e3; }
      words.textContent = `Nothing to draw${this.known == null ? "" : `, as it was known at ${moment(this.known, this.zone, 1000)}`}.`;
      return;
    }
    const step = Math.max(...good.map((p) => p.data.step)), known = this.known == null ? "" : ` As it was known at ${moment(this.known, this.zone, 1000)}.`;
    words.textContent = `${moment(this.start, this.zone, this.end - this.start)} to ${moment(this.end, this.zone, this.end - this.start)}, ${span(this.end - this.start)}, ${this.zone}. Each bucket is ${span(step)}.${known}`;
    for (const button of this.root.querySelectorAll("[data-span]")) { const on = Number(button.dataset.span) * 1000; button.classList.toggle("on", Boolean(on) && Math.abs(on - (this.end - this.start)) < on * 0.02); }
    this.address();
  }
  address() {
    const asked = new URLSearchParams({ thing: this.thing, signals: this.panels.map((p) => p.signal).join(",") });
    if (!this.live) { asked.set("start", BigInt(Math.round(this.start * 1000)) * 1000n); asked.set("end", BigInt(Math.round(this.end * 1000)) * 1000n); }
    if (this.known != null) asked.set("known_by", BigInt(Math.round(this.known)) * 1000000n);
    history.replaceState(history.state, "", `/chart?${asked}`);
  }
  show(start, end, live = false) {
    if (!Number.isFinite(start) || !Number.isFinite(end)) { end = this.now(); start = end - 3600e3; }
    const least = Math.min(MOST, Math.max(LEAST, end - start)), middle = Math.min(FAR, Math.max(-FAR, (start + end) / 2));
    this.start = middle - least / 2; this.end = middle + least / 2;
    this.follow(live);
    return this.read();
  }
  follow(live) { this.live = live; this.root.querySelector("[data-do=live]").classList.toggle("on", live); this.root.querySelector("[data-do=live]").setAttribute("aria-pressed", live); }
  last(ms) {
    if (!ms) { this.follow(false); return this.read(true); }
    const newest = Math.max(...this.panels.map((p) => p.data?.newest ? p.data.newest.t_ns / MS : -Infinity)), end = Number.isFinite(newest) && (newest < this.now() - ms || newest > this.now()) ? newest + ms * 0.02 : this.now();
    return this.show(end - ms, end);
  }
  zoom(by) { const middle = (this.start + this.end) / 2, half = ((this.end - this.start) / 2) * by; return this.show(middle - half, middle + half); }
  move(by) { const d = (this.end - this.start) * by; return this.show(this.start + d, this.end + d); }
  do(what) {
    if (what === "back") this.move(-0.5);
    if (what === "on") this.move(0.5);
    if (what === "in") this.zoom(0.5);
    if (what === "out") this.zoom(2);
    if (what === "live") { if (this.live) { this.follow(false); this.address(); } else { const wide = this.end - this.start; this.show(this.now() - wide, this.now(), true); } }
  }
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    const arrow = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (arrow && event.shiftKey) { const d = this.panels.find((p) => p.data)?.data; if (d) this.point((this.at ?? (this.start + this.end) / 2) + arrow * d.step); this.root.querySelector(".chart-range").textContent = this.panels.map((p) => p.said).filter(Boolean).join("; "); }
    else if (arrow) this.move(arrow * 0.25);
    else if (event.key === "+" || event.key === "=") this.zoom(0.5);
    else if (event.key === "-") this.zoom(2);
    else if (event.key === "0" || event.key === "Home") this.last(0);
    else if (event.key.toLowerCase() === "n" || event.key === "End") this.last(this.end - this.start);
    else if (event.key === "Escape") this.panels.forEach((p) => p.unpoint());
    else return;
    event.preventDefault();
  }
  point(t) { this.at = Math.max(this.start, Math.min(this.end, t)); this.panels.forEach((panel) => panel.point(this.at)); }
  tick() {
    if (document.hidden || !this.root.isConnected) return;
    if (this.live && !this.root.hasAttribute("aria-busy")) { const wide = this.end - this.start; this.end = this.now(); this.start = this.end - wide; this.read(); }
  }
  pick() { // the form above: another thing or other signals are another page, another moment of knowing is not
    const form = document.querySelector("[data-chart-pick]");
    if (!form || form.dataset.wired) return;
    form.dataset.wired = "1";
    const known = form.elements.known_by;
    if (this.known != null) known.value = local(this.known, this.zone);
    const go = () => {
      const asked = new URLSearchParams({ thing: form.elements.thing.value }), same = form.elements.thing.value === this.thing;
      const chosen = [...form.querySelectorAll("[type=checkbox]:checked")].map((box) => box.value);
      if (same && chosen.length) asked.set("signals", chosen.join(","));
      if (!this.live && this.start != null) { asked.set("start", BigInt(Math.round(this.start * 1000)) * 1000n); asked.set("end", BigInt(Math.round(this.end * 1000)) * 1000n); }
      if (this.known != null) asked.set("known_by", BigInt(Math.round(this.known)) * 1000000n);
      location.assign(`/chart?${asked}`);
    };
    form.addEventListener("submit", (event) => { event.preventDefault(); go(); });
    form.addEventListener("change", (event) => {
      if (event.target === known) { this.known = known.value ? utc(known.value, this.zone) : null; this.read(); }
      else if (event.target.type === "checkbox") { clearTimeout(this.choosing); this.choosing = setTimeout(go, 700); }
      else go();
    });
    form.querySelector("[data-clear]").addEventListener("click", () => { known.value = ""; this.known = null; this.read(); });
  }
}
export { ticks };
export const show = (root) => new Chart(root);
