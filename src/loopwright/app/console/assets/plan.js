// The plan on the page: reads it, lays lanes out, and lets hands, keys and words find their way. plan_paint.js paints it.
import { AXIS, FOOT, paint, palette, patterns, place } from "./plan_paint.js";
import { rows as table } from "./plan_table.js";
import { local, long } from "./plan_words.js";

const STATES = ["planned", "running", "done"], LEAST = 60, USUAL = 26; // seconds shown at least; pixels of a usual operation at first
const make = (name, cls, text) => Object.assign(document.createElement(name), { className: cls, textContent: text ?? "" });

class Plan {
  constructor(root) {
    const told = JSON.parse(root.dataset.plan);
    Object.assign(this, { root, name: told.plan, zone: told.zone, view: "machines", moved: false, slots: [], lanes: [], density: [], drawn: [] });
    this.box = root.querySelector(".plan-box"); this.space = root.querySelector(".plan-space"); this.canvas = root.querySelector("canvas");
    this.tip = root.querySelector(".plan-tip"); this.said = root.querySelector(".plan-said"); this.range = root.querySelector(".plan-range");
    this.ctx = this.canvas.getContext("2d");
    this.hands(); this.keys();
    new ResizeObserver(() => this.size()).observe(this.box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.c = null; this.draw(); });
    const version = root.closest(".plan-card")?.querySelector("[data-version]");
    if (version) new MutationObserver(() => this.read()).observe(version, { attributes: true, attributeFilter: ["data-version"] });
    setInterval(() => { if (this.inForce && !document.hidden && root.isConnected) this.draw(); }, 30000);
    this.read();
  }
  async read() {
    try {
      const answer = await fetch(`/api/plans/${encodeURIComponent(this.name)}/chart`, { credentials: "same-origin" }), data = await answer.json();
      if (!answer.ok) throw data;
      this.take(data);
    } catch (error) {
      this.range.textContent = error.given ? `${error.where}: ${error.given}` : "The plant could not be reached.";
    }
  }
  take(data) {
    const columns = data.slots, first = this.data == null, at = this.chosen && this.key(this.chosen);
    this.data = data; this.origin = data.origin_ns / 1e6; this.readAt = Date.now(); this.inForce = data.in_force;
    this.first = data.start_s; this.last = Math.max(data.end_s, data.start_s + LEAST);
    this.slots = columns.start.map((start, i) => {
      const order = columns.order[i], due = data.due[order];
      return {
        i, order, operation: columns.operation[i], machine: columns.machine[i], start, end: columns.end[i], setup: columns.setup[i], person: columns.person[i],
        state: columns.state[i], frozen: columns.frozen[i], slack: columns.slack[i], why: columns.why[i], after: columns.after[i], was: columns.was[i],
        late: due != null && data.ends[order] > due,
      };
    });
    this.chosen = at == null ? null : this.slots.find((slot) => this.key(slot) === at) ?? null;
    this.hot = this.chosen;
    this.root.querySelector("[data-do=moved]").hidden = !this.slots.some((slot) => slot.was);
    this.root.querySelector("[data-do=now]").hidden = !this.inForce;
    this.thick();
    if (first) this.begin();
    this.find(false);
    if (this.table) this.table.draw();
  }
  key(slot) { return `${this.data.orders[slot.order]}\n${slot.operation}`; }
  begin() { // all of it where operations are wide enough to be told apart, else the time from now on
    this.size(true);
    const lengths = this.slots.map((s) => s.end - s.start).sort((a, b) => a - b), usual = lengths[lengths.length >> 1] || 3600, room = Math.max(100, this.wide - this.gutter);
    const all = this.last - this.first, pad = all * 0.01, span = Math.max(LEAST, (usual * room) / USUAL);
    if (all <= span * 1.6) { this.start = this.first - pad; this.end = this.last + pad; return; }
    const now = this.inForce ? Math.min(Math.max(this.now(), this.first), this.last - span) : this.first;
    this.start = Math.max(this.first - pad, now - span * 0.08); this.end = this.start + span;
  }
  // ---- lanes
  lay() {
    const { data } = this, busy = this.view === "machines", found = this.found && !busy ? new Set([...this.found].map((i) => this.slots[i].order)) : null;
    const names = busy ? data.machines : data.orders, lanes = names.map((name, n) => ({ n, name, slots: [], closed: [], tall: busy ? 42 : 30, rows: 1 }));
    for (const slot of this.slots) lanes[busy ? slot.machine : slot.order].slots.push(slot);
    if (busy) for (const [n, start, end, why, down] of data.closed) lanes[n].closed.push({ start, end, why, down });
    for (const lane of lanes) {
      const ends = [];
      for (const slot of lane.slots) { let row = ends.findIndex((end) => end <= slot.start); if (row < 0) row = ends.length; ends[row] = slot.end; slot.row = row; }
      lane.rows = Math.max(1, ends.length);
      if (lane.rows > 1) lane.tall = Math.max(lane.tall, 6 + lane.rows * 17);
      if (busy) lane.under = this.busy(lane); else { lane.due = data.due[lane.n]; lane.end = data.ends[lane.n]; lane.over = Number(lane.slots.every((slot) => slot.state === 2)); }
    }
    this.lanes = busy ? lanes : lanes.filter((lane) => lane.slots.length && (!found || found.has(lane.n))).sort((a, b) => a.over - b.over || a.slots[0].start - b.slots[0].start || a.n - b.n);
    let top = 0;
    this.byName = new Map();
    for (const lane of this.lanes) { lane.top = top; top += lane.tall; this.byName.set(lane.n, lane); }
    this.total = top;
    this.size(true);
  }
  busy(lane) {
    const covered = (parts) => { let sum = 0, end = -Infinity; for (const [a, b] of parts.sort((p, q) => p[0] - q[0])) { if (b > end) sum += b - Math.max(a, end); end = Math.max(end, b); } return sum; };
    const work = covered(lane.slots.map((s) => [s.start - s.setup, s.end])), shut = covered(lane.closed.map((s) => [s.start, s.end]));
    const open = Math.max(this.last - this.first - shut, work);
    return open > 0 ? `${Math.round((work / open) * 100)} % busy` : "";
  }
  thick() { // how many machines work, over the whole plan
    const n = 160, each = (this.last - this.first) / n;
    this.density = new Array(n).fill(0);
    for (const s of this.slots) for (let k = Math.max(0, Math.floor((s.start - this.first) / each)); k < n && this.first + k * each < s.end; k++) this.density[k] += (Math.min(s.end, this.first + (k + 1) * each) - Math.max(s.start, this.first + k * each)) / each;
  }
  laneOf(slot) { return this.byName?.get(this.view === "machines" ? slot.machine : slot.order); }
  tint(slot) { return this.view === "machines" ? slot.order : slot.machine; }
  texts(slot) {
    const order = this.data.orders[slot.order], short = order.split(/[-/_ ]/).pop();
    if (this.view === "orders") return [`${slot.operation}, ${this.data.machines[slot.machine]}`, slot.operation, this.data.machines[slot.machine]];
    return [`${order} ${slot.operation}`, order, short];
  }
  // ---- place and time
  x(s) { return this.gutter + ((s - this.start) / (this.end - this.start)) * (this.wide - this.gutter); }
  at(x) { return this.start + ((x - this.gutter) / (this.wide - this.gutter)) * (this.end - this.start); }
  y(lane) { return AXIS + lane.top - this.box.scrollTop; }
  ms(s) { return this.origin + s * 1000; }
  seconds(ms) { return (ms - this.origin) / 1000; }
  now() { return this.data.now_s + (Date.now() - this.readAt) / 1000; }
  time(s, fine) { return local(this.ms(s), this.zone, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", ...(fine ? { second: "2-digit" } : {}) }).replace(",", ""); }
  size(quiet) {
    if (!this.data || this.total === undefined) { if (!this.data) return; }
    const phone = innerWidth < 600, wide = this.box.clientWidth, most = Math.max(260, Math.min(660, innerHeight * (phone ? 0.62 : 0.66)));
    const whole = AXIS + (this.total ?? 300) + FOOT, tall = Math.round(Math.min(most, whole));
    this.gutter = phone ? 84 : Math.max(104, Math.min(170, 18 + 7 * Math.max(...(this.view === "machines" ? this.data.machines : this.data.orders).map((name) => name.length), 6)));
    this.box.style.height = `${tall}px`; this.space.style.height = `${whole}px`;
    this.dpr = devicePixelRatio || 1;
    if (this.wide !== wide || this.tall !== tall || this.canvas.width !== Math.round(wide * this.dpr)) {
      this.wide = wide; this.tall = tall;
      this.canvas.width = Math.round(wide * this.dpr); this.canvas.height = Math.round(tall * this.dpr);
      this.canvas.style.width = `${wide}px`; this.canvas.style.height = `${tall}px`;
      this.p = null;
    }
    if (!quiet) this.draw();
  }
  draw() { if (!this.frame) this.frame = requestAnimationFrame(() => { this.frame = 0; this.paint(); }); }
  paint() {
    if (!this.data || !(this.end > this.start)) return;
    const began = performance.now();
    this.c ??= ((this.p = null), palette(this.root));
    this.p ??= patterns(this.ctx, this.c);
    paint(this);
    this.took = performance.now() - began;
    const words = `${this.time(this.start)} to ${this.time(this.end)}, ${this.end - this.start < this.last - this.first ? `${long(this.end - this.start)} of ` : "all of "}${long(this.last - this.first)}, ${this.zone}.`;
    const text = this.counted ? `${this.counted} ${words}` : words;
    if (this.range.textContent !== text) this.range.textContent = text;
  }
  show(start, end) {
    const all = this.last - this.first, wide = Math.min(all * 1.04, Math.max(LEAST, end - start)), pad = all * 0.02;
    let from = (start + end) / 2 - wide / 2;
    from = Math.max(this.first - pad, Math.min(this.last + pad - wide, from));
    if (wide >= all) from = (this.first + this.last) / 2 - wide / 2;
    this.start = from; this.end = from + wide;
    this.draw();
  }
  zoom(by, x) { const s = x === undefined ? (this.start + this.end) / 2 : this.at(x); this.show(s - (s - this.start) * by, s + (this.end - s) * by); }
  pan(by) { const d = (this.end - this.start) * by; this.show(this.start + d, this.end + d); }
  do(what) {
    if (what === "back") this.pan(-0.5);
    if (what === "on") this.pan(0.5);
    if (what === "in") this.zoom(0.5);
    if (what === "out") this.zoom(2);
    if (what === "all") this.show(this.first, this.last);
    if (what === "now") { const wide = this.end - this.start, s = Math.min(Math.max(this.now(), this.first), this.last); this.show(s - wide * 0.2, s + wide * 0.8); }
    if (what === "moved") { this.moved = !this.moved; this.press("[data-do=moved]", this.moved); this.draw(); }
  }
  press(which, on) { const button = this.root.querySelector(which); button.classList.toggle("on", on); button.setAttribute("aria-pressed", on); }
  turn(view) {
    this.view = view;
    for (const name of ["machines", "orders"]) this.press(`[data-view=${name}]`, name === view);
    this.box.scrollTop = 0;
    this.lay(); this.draw();
    if (this.chosen) this.reveal(this.chosen);
  }
  // ---- finding
  find(jump = true) {
    const asked = this.root.querySelector(".plan-find").value.trim().toLowerCase(), words = asked.split(/\s+/).filter(Boolean);
    this.found = null; this.counted = "";
    if (words.length) {
      const text = (s) => `${this.data.orders[s.order]} ${s.operation} ${this.data.machines[s.machine]} ${s.person}`.toLowerCase();
      this.found = new Set(this.slots.filter((s) => { const whole = text(s); return words.every((word) => whole.includes(word)); }).map((s) => s.i));
      const orders = new Set([...this.found].map((i) => this.slots[i].order)).size;
      this.counted = this.found.size ? `${this.found.size} ${this.found.size === 1 ? "operation" : "operations"} of ${orders} ${orders === 1 ? "order" : "orders"} found; Enter goes to the next.` : "Nothing is called that.";
    }
    this.lay(); this.draw();
    if (jump && this.found?.size) this.reveal(this.slots[Math.min(...this.found)]);
    if (this.table) this.table.draw();
  }
  next() {
    if (!this.found?.size) return;
    const all = [...this.found].sort((a, b) => a - b), i = all.find((n) => n > (this.chosen?.i ?? -1)) ?? all[0];
    this.choose(this.slots[i]);
  }
  // ---- one operation
  lines(slot) {
    const { data } = this, due = data.due[slot.order], end = data.ends[slot.order], out = [];
    out.push(`${data.machines[slot.machine]}${slot.person ? `, ${slot.person}` : ""}`);
    out.push(`${this.time(slot.start)} to ${this.time(slot.end)} (${long(slot.end - slot.start)})`);
    if (slot.setup) out.push(`setup before: ${long(slot.setup)}`);
    const behind = this.inForce && slot.state === 0 && slot.start < this.now() - 60;
    out.push(STATES[slot.state] + (slot.frozen && slot.state === 0 ? ", fixed" : "") + (behind ? `; should have begun ${long(this.now() - slot.start)} ago` : ""));
    if (slot.why.length) out.push(`${slot.state ? "waited" : "waits"} for ${slot.why.map(([, words]) => words).join("; ")}`);
    else if (slot.state === 0 && !slot.frozen) out.push(slot.start - slot.setup <= 0 ? "begins at once" : "waits for nothing: it could begin earlier");
    if (slot.slack !== null) out.push(slot.slack ? `may slip by ${long(slot.slack)}` : "no slack: if it slips, an order ends later");
    if (due != null) out.push(`due ${this.time(due)}: ${end > due ? `${long(end - due)} late` : end < due ? `${long(due - end)} early` : "just in time"}`);
    const reason = data.reasons[data.orders[slot.order]];
    if (reason) out.push(`longest wait of its order: ${reason}`);
    if (slot.was) { const [machine, start] = slot.was, from = data.machines[machine] ?? machine, shift = slot.start - start; out.push(`before: ${from === data.machines[slot.machine] ? "" : `${from}, `}${shift ? `${long(Math.abs(shift))} ${shift > 0 ? "earlier" : "later"}` : "the same time"}`); }
    return out;
  }
  title(slot) { return `${this.data.orders[slot.order]} ${slot.operation}`; }
  choose(slot, reveal = true) {
    this.chosen = slot; this.hot = slot;
    this.tip.hidden = true;
    if (!slot) this.said.replaceChildren();
    else {
      const open = Object.assign(make("a", "", "open the order"), { href: this.href(slot) });
      this.said.replaceChildren(make("b", "", this.title(slot)), ` ${this.lines(slot).map((line, n) => (n ? line[0].toUpperCase() + line.slice(1) : line)).join(". ")}. `, open);
      if (reveal) this.reveal(slot);
    }
    this.draw();
  }
  href(slot) { return `/orders?text=${encodeURIComponent(this.data.orders[slot.order])}`; }
  reveal(slot) {
    const lane = this.laneOf(slot), wide = this.end - this.start;
    if (!lane) return;
    if (slot.start < this.start || slot.end > this.end) { const s = (slot.start + Math.min(slot.end, slot.start + wide * 0.6)) / 2; this.show(s - wide / 2, s + wide / 2); }
    const room = this.tall - AXIS - FOOT;
    if (lane.top < this.box.scrollTop) this.box.scrollTop = lane.top;
    else if (lane.top + lane.tall > this.box.scrollTop + room) this.box.scrollTop = lane.top + lane.tall - room;
    this.draw();
  }
  hit(x, y) {
    if (y < AXIS || y > this.tall - FOOT || x < this.gutter) return null;
    const down = y - AXIS + this.box.scrollTop, lane = this.lanes.find((one) => down >= one.top && down < one.top + one.tall);
    if (!lane) return null;
    let best = null, near = 4;
    for (const slot of lane.slots) {
      const at = place(this, lane, slot), off = Math.max(at.x - x, x - at.x - Math.max(1, at.w), 0);
      if (off < near && (lane.rows === 1 || (y >= at.y && y <= at.y + at.h))) { best = slot; near = off; if (!off) break; }
    }
    if (best) return { slot: best, lane };
    const s = this.at(x), shut = lane.closed.find((one) => one.start <= s && s < one.end);
    return { lane, shut };
  }
  point(x, y) {
    const hit = this.hit(x, y), before = this.hot;
    this.hot = hit?.slot ?? this.chosen;
    if (hit?.slot) this.tell([this.title(hit.slot), ...this.lines(hit.slot)], x, y);
    else if (hit?.shut) this.tell([hit.lane.name, `${hit.shut.down ? "not to be had" : "closed"}${hit.shut.why ? `: ${hit.shut.why}` : ""}`, `${this.time(hit.shut.start)} to ${this.time(hit.shut.end)}`], x, y);
    else this.tip.hidden = true;
    this.canvas.style.cursor = hit?.slot ? "pointer" : "grab";
    if (before !== this.hot) this.draw();
  }
  tell(lines, x, y) {
    this.tip.replaceChildren(...lines.map((line, n) => make("span", n ? "" : "value", line)));
    this.tip.hidden = false;
    const wide = this.tip.offsetWidth, tall = this.tip.offsetHeight;
    this.tip.style.left = `${Math.max(0, Math.min(this.wide - wide, x + 14))}px`;
    this.tip.style.top = `${y + 18 + tall < this.tall + 60 ? y + 18 : Math.max(0, y - tall - 12)}px`;
  }
  // ---- hands
  hands() {
    const at = (event) => { const box = this.canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
    const down = new Map();
    let from = null, span0 = 0, still = true;
    this.canvas.addEventListener("pointerdown", (event) => {
      if (event.button || !this.data) return;
      down.set(event.pointerId, at(event)); still = true; from = { start: this.start, end: this.end, x: at(event)[0], y: at(event)[1] };
      if (down.size === 2) { const [a, b] = [...down.values()]; span0 = Math.max(20, Math.abs(a[0] - b[0])); still = false; }
      this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (!this.data) return;
      const [x, y] = at(event);
      if (!down.has(event.pointerId)) { if (event.pointerType === "mouse") this.point(x, y); return; }
      down.set(event.pointerId, [x, y]);
      if (Math.hypot(x - from.x, y - from.y) > 5) { still = false; this.tip.hidden = true; }
      if (still) return;
      const wide = from.end - from.start, room = this.wide - this.gutter;
      if (down.size === 2) { const [a, b] = [...down.values()], by = span0 / Math.max(20, Math.abs(a[0] - b[0])), s = from.start + (((a[0] + b[0]) / 2 - this.gutter) / room) * wide; this.show(s - (s - from.start) * by, s + (from.end - s) * by); return; }
      if (from.y > this.tall - FOOT) { this.middle(x); return; }
      const d = ((from.x - x) / room) * wide;
      this.show(from.start + d, from.end + d);
    });
    const up = (event) => {
      if (!down.delete(event.pointerId) || !still || event.type === "pointercancel") return;
      const [x, y] = at(event);
      if (y > this.tall - FOOT) return void this.middle(x);
      const hit = this.hit(x, y);
      this.choose(hit?.slot ?? null, false);
      if (event.pointerType !== "mouse" && hit?.shut) this.point(x, y);
    };
    this.canvas.addEventListener("pointerup", up);
    this.canvas.addEventListener("pointercancel", up);
    this.canvas.addEventListener("pointerleave", () => { if (!down.size) { this.tip.hidden = true; this.hot = this.chosen; this.draw(); } });
    this.canvas.addEventListener("dblclick", (event) => this.zoom(0.5, at(event)[0]));
    this.canvas.addEventListener("wheel", (event) => {
      if (!this.data) return;
      if (event.ctrlKey || event.metaKey) { event.preventDefault(); this.zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) / 120), at(event)[0]); }
      else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) { event.preventDefault(); this.pan((event.shiftKey && !event.deltaX ? event.deltaY : event.deltaX) / (this.wide - this.gutter)); }
    }, { passive: false });
    this.box.addEventListener("scroll", () => { this.tip.hidden = true; this.paint(); });
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button || !this.data) return;
      if (button.dataset.do) this.do(button.dataset.do);
      if (button.dataset.view) this.turn(button.dataset.view);
    });
    const find = this.root.querySelector(".plan-find");
    find.addEventListener("input", () => { clearTimeout(this.finding); this.finding = setTimeout(() => this.data && this.find(), 120); });
    find.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); this.next(); } if (event.key === "Escape") { find.value = ""; this.find(false); } });
    const details = this.root.querySelector(".plan-rows");
    details.addEventListener("toggle", () => { if (details.open && this.data) { this.table ??= table(this, details.querySelector(".plan-table")); this.table.draw(); } });
  }
  middle(x) { const s = this.first + ((x - this.gutter) / (this.wide - this.gutter)) * (this.last - this.first), half = (this.end - this.start) / 2; this.show(s - half, s + half); }
  // ---- keys
  keys() {
    this.box.addEventListener("keydown", (event) => {
      if (!this.data || event.ctrlKey || event.metaKey || event.altKey) return;
      const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (arrow && event.shiftKey) { if (arrow[0]) this.pan(arrow[0] * 0.25); else this.box.scrollTop += arrow[1] * 120; }
      else if (arrow) this.walk(...arrow);
      else if (event.key === "Home" || event.key === "End") this.edge(event.key === "End");
      else if (event.key === "Enter" && this.chosen) location.assign(this.href(this.chosen));
      else if (event.key === "+" || event.key === "=") this.zoom(0.5, this.chosen ? this.x(this.chosen.start) : undefined);
      else if (event.key === "-") this.zoom(2);
      else if (event.key === "0") this.do("all");
      else if (event.key.toLowerCase() === "n" && this.inForce) this.do("now");
      else if (event.key === "/") this.root.querySelector(".plan-find").focus();
      else if (event.key === "Escape") this.choose(null);
      else return;
      event.preventDefault();
    });
  }
  walk(along, across) {
    const lane = this.chosen && this.laneOf(this.chosen);
    if (!lane) { // the first that is not over, of the topmost lane in sight that has one
      const seen = this.lanes.filter((one) => one.slots.length && one.top + one.tall > this.box.scrollTop), from = this.inForce ? this.now() : this.start;
      for (const one of seen) { const slot = one.slots.find((s) => s.end > Math.max(from, this.start)) ?? one.slots[0]; if (slot) return this.choose(slot); }
      return undefined;
    }
    if (along) return this.choose(lane.slots[Math.max(0, Math.min(lane.slots.length - 1, lane.slots.indexOf(this.chosen) + along))]);
    for (let n = this.lanes.indexOf(lane) + across; this.lanes[n]; n += across) {
      const middle = (this.chosen.start + this.chosen.end) / 2, slots = this.lanes[n].slots;
      if (slots.length) return this.choose(slots.reduce((best, s) => (Math.abs((s.start + s.end) / 2 - middle) < Math.abs((best.start + best.end) / 2 - middle) ? s : best), slots[0]));
    }
    return undefined;
  }
  edge(last) { const lane = (this.chosen && this.laneOf(this.chosen)) || this.lanes.find((one) => one.slots.length); if (lane) this.choose(lane.slots[last ? lane.slots.length - 1 : 0]); }
}
export const show = (root) => { root.plan = new Plan(root); };
