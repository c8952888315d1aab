// How a plan is painted: lanes, closed times, operations with their marks, axis, overview. plan.js says what and where.
import { ticks } from "./chart.js";
import { local } from "./plan_words.js";

export const AXIS = 46, FOOT = 26; // pixels above the lanes for days and hours, below them for the overview
const HUES = ["accent", "slate", "copper", "gold", "plum", "moss", "clay", "steel"], TONES = [0.3, 0.46, 0.16], PALE = 0.38;
const NAMES = ["paper", "card", "wash", "line", "rule", "ink", "soft", "faint", "accent", "copper", "bad", ...HUES];

// ---- colours of the page as it is, light or dark
const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
const mixed = (a, b, share) => { const [p, q] = [rgb(a), rgb(b)]; return `rgb(${p.map((v, i) => Math.round(v * share + q[i] * (1 - share))).join(" ")})`; };
export const palette = (root) => {
  const style = getComputedStyle(root), colours = Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  colours.fill = TONES.map((share) => HUES.map((hue) => mixed(colours[hue], colours.card, share)));
  colours.idle = mixed(colours.wash, colours.card, 0.75);
  colours.font = style.fontFamily || "sans-serif";
  return colours;
};
const striped = (ctx, line, ground, step, wide, back) => {
  const tile = document.createElement("canvas"), d = devicePixelRatio || 1;
  tile.width = tile.height = Math.round(step * d);
  const c = tile.getContext("2d"), n = tile.width;
  if (ground) { c.fillStyle = ground; c.fillRect(0, 0, n, n); }
  c.strokeStyle = line; c.lineWidth = wide * d; c.beginPath();
  for (const o of [-n, 0, n]) { c.moveTo(o, n); c.lineTo(o + n, 0); if (back) { c.moveTo(o, 0); c.lineTo(o + n, n); } }
  c.stroke();
  const pattern = ctx.createPattern(tile, "repeat");
  pattern.setTransform(new DOMMatrix().scale(1 / d));
  return pattern;
};
export const patterns = (ctx, c) => ({
  setup: striped(ctx, c.soft, c.card, 5, 1.3, false), closed: striped(ctx, c.rule, c.wash, 9, 1.1, false),
  work: striped(ctx, c.copper, c.card, 8, 1.1, true), late: striped(ctx, c.bad, c.card, 4, 1.6, false),
});

// ---- all of it
export const paint = (plan) => {
  const { ctx, wide, tall, gutter } = plan;
  plan.drawn = []; plan.labels = [];
  ctx.setTransform(plan.dpr, 0, 0, plan.dpr, 0, 0);
  ctx.clearRect(0, 0, wide, tall);
  ctx.textBaseline = "middle";
  const lanes = plan.lanes.filter((lane) => { const y = plan.y(lane); return y + lane.tall > AXIS && y < tall - FOOT; });
  const marks = scale(plan);
  ctx.save();
  ctx.beginPath(); ctx.rect(gutter, AXIS, wide - gutter, tall - AXIS - FOOT); ctx.clip();
  for (const lane of lanes) ground(plan, lane);
  for (const { x, day } of marks) { ctx.fillStyle = day ? plan.c.rule : plan.c.line; ctx.fillRect(Math.round(x), AXIS, 1, tall); }
  for (const lane of lanes) for (const slot of lane.slots) box(plan, lane, slot);
  if (plan.moved) for (const lane of lanes) for (const slot of lane.slots) if (slot.was) ghost(plan, lane, slot);
  if (!plan.moved && plan.hot?.was && plan.laneOf(plan.hot)) ghost(plan, plan.laneOf(plan.hot), plan.hot);
  now(plan, AXIS, tall);
  write(plan);
  if (plan.view === "orders") for (const lane of lanes) due(plan, lane);
  links(plan);
  ring(plan);
  ctx.restore();
  for (const lane of lanes) name(plan, lane);
  axis(plan, marks);
  overview(plan);
};

const scale = (plan) => {
  const [at, step] = ticks(plan.ms(plan.start), plan.ms(plan.end), Math.max(2, (plan.wide - plan.gutter) / 74), plan.zone);
  plan.step = step;
  return at.map((t) => ({ t, x: plan.x(plan.seconds(t)), day: step >= 864e5 || local(t, plan.zone, { hour: "2-digit", minute: "2-digit", second: "2-digit" }) === "00:00:00" }));
};

const ground = (plan, lane) => {
  const { ctx, c } = plan, y = plan.y(lane);
  ctx.fillStyle = c.idle;
  ctx.fillRect(plan.gutter, y + 1, plan.wide, lane.tall - 2);
  for (const shut of lane.closed) {
    const a = Math.max(plan.gutter - 1, plan.x(shut.start)), b = Math.min(plan.wide + 1, plan.x(shut.end));
    if (b <= a) continue;
    ctx.fillStyle = shut.down ? plan.p.work : plan.p.closed;
    ctx.fillRect(a, y + 1, Math.max(1, b - a), lane.tall - 2);
    if (shut.down) { ctx.strokeStyle = c.copper; ctx.lineWidth = 1; ctx.strokeRect(a + 0.5, y + 1.5, Math.max(1, b - a - 1), lane.tall - 3); }
  }
};

// ---- one operation
export const place = (plan, lane, slot) => {
  const tall = (lane.tall - 6) / lane.rows, x = plan.x(slot.start);
  return { x, w: plan.x(slot.end) - x, y: plan.y(lane) + 3 + slot.row * tall, h: Math.max(3, tall - (lane.rows > 1 ? 1 : 0)) };
};
const box = (plan, lane, slot) => {
  const { ctx, c } = plan, at = place(plan, lane, slot);
  const left = slot.setup ? plan.x(slot.start - slot.setup) : at.x;
  if (at.x + at.w < plan.gutter || left > plan.wide) return;
  const n = plan.tint(slot), hue = c[HUES[n % 8]], w = Math.max(1, at.w - (at.w > 4 ? 1 : 0)), h = at.h, y = at.y, x = at.x;
  const dim = pale(plan, slot);
  ctx.globalAlpha = dim ? PALE : 1;
  if (at.x - left > 0.7) { ctx.fillStyle = plan.p.setup; ctx.fillRect(left, y + 2, at.x - left, h - 4); ctx.strokeStyle = c.soft; ctx.lineWidth = 0.7; ctx.strokeRect(left + 0.5, y + 2.5, at.x - left - 0.5, h - 5); }
  if (w < 3) { // no room for anything but that there is work; late work stands out by height
    ctx.fillStyle = slot.state === 2 ? c.faint : hue;
    ctx.fillRect(x, y + (slot.late ? 0 : 2), w, h - (slot.late ? 0 : 4));
    plan.drawn.push({ i: slot.i, x, y, w: at.w, h, text: "" });
    ctx.globalAlpha = 1;
    return;
  }
  ctx.fillStyle = slot.state === 2 ? c.card : slot.state === 1 ? c.fill[1][n % 8] : c.fill[Math.floor(n / 8) % 3][n % 8];
  const back = ctx.fillStyle;
  ctx.fillRect(x, y, w, h);
  edges(plan, slot, x, y, w, h, hue);
  late(plan, slot, x, y, w, h);
  const text = words(plan, slot, x, w, h);
  plan.drawn.push({ i: slot.i, x, y, w: at.w, h, dim, back, ...text });
  ctx.globalAlpha = 1;
};
const pale = (plan, slot) => {
  if (plan.found) return !plan.found.has(slot.i);
  if (plan.hot) return plan.view === "machines" && plan.hot.order !== slot.order;
  return plan.moved && !(slot.was && !slot.was[3]);
};
const edges = (plan, slot, x, y, w, h, hue) => {
  const { ctx, c } = plan;
  if (slot.state === 2) { ctx.strokeStyle = hue; ctx.lineWidth = 1; ctx.strokeRect(x + 0.5, y + 0.5, w - 1, h - 1); return; }
  if (slot.state === 1) { ctx.strokeStyle = c.ink; ctx.lineWidth = 2; ctx.strokeRect(x + 1, y + 1, Math.max(1, w - 2), h - 2); return; }
  ctx.fillStyle = hue;
  ctx.fillRect(x, y, Math.min(3, w), h);
  if (slot.frozen && w > 7) { ctx.fillStyle = c.ink; ctx.fillRect(x, y, 2, h); ctx.fillRect(x + w - 2, y, 2, h); ctx.fillRect(x, y, w, 1); ctx.fillRect(x, y + h - 1, w, 1); }
};
const late = (plan, slot, x, y, w, h) => {
  if (!slot.late || slot.state === 2) return;
  const { ctx, c } = plan;
  ctx.fillStyle = c.bad;
  if (w < 12 || h < 12) { ctx.fillRect(x, y, w, 3); return; }
  const size = Math.min(9, h / 2);
  ctx.beginPath(); ctx.moveTo(x + w - size, y); ctx.lineTo(x + w, y); ctx.lineTo(x + w, y + size); ctx.fill();
  ctx.fillRect(x, y + h - 2, w, 2);
};
const widths = new Map();
const width = (ctx, text) => {
  const key = ctx.font + text;
  if (!widths.has(key)) { if (widths.size > 20000) widths.clear(); widths.set(key, ctx.measureText(text).width); }
  return widths.get(key);
};
const words = (plan, slot, x, w, h) => { // what fits into the part that is in sight
  if (w < 22 || h < 13) return { text: "" };
  const { ctx, c } = plan, from = Math.max(x, plan.gutter), room = Math.min(x + w, plan.wide) - from - 11 - (slot.late && slot.state < 2 ? 6 : 0);
  const sign = slot.state === 2 ? "✓ " : slot.state === 1 ? "▶ " : "";
  ctx.font = `500 11.5px ${c.font}`;
  const all = plan.texts(slot).flatMap((one) => (sign ? [sign + one, one] : [one])).concat(sign ? [sign.trim()] : []);
  const text = all.find((one) => width(ctx, one) <= room) ?? "";
  return { text, tx: from + 7, tw: text ? width(ctx, text) : 0, soft: slot.state === 2 };
};
const write = (plan) => { // over the line of now, which may not cross a word out
  const { ctx, c } = plan, x = plan.inForce ? plan.x(plan.now()) : -1;
  ctx.font = `500 11.5px ${c.font}`; ctx.textAlign = "left";
  for (const one of plan.drawn) if (one.text) {
    ctx.globalAlpha = one.dim ? PALE : 1;
    if (x > one.tx - 3 && x < one.tx + one.tw + 3) { ctx.fillStyle = one.back; ctx.fillRect(one.tx - 2, one.y + one.h / 2 - 7, one.tw + 4, 14); }
    ctx.fillStyle = one.soft ? c.soft : c.ink;
    ctx.fillText(one.text, one.tx, one.y + one.h / 2 + 0.5);
  }
  ctx.globalAlpha = 1;
};

// ---- where it stood before, what belongs together, what is looked at
const ghost = (plan, lane, slot) => { // what kept its machine and order is only shown where it is looked at
  const { ctx, c } = plan, [machine, start, end, kept] = slot.was, hot = plan.hot && plan.hot.order === slot.order;
  const was = plan.view === "machines" ? plan.byName.get(machine) : lane;
  if ((kept && plan.hot !== slot) || (plan.hot && !hot) || !was) return;
  const y = plan.y(was) + 4, x = plan.x(start), w = Math.max(2, plan.x(end) - x), at = place(plan, lane, slot);
  ctx.setLineDash([4, 3]); ctx.strokeStyle = c.ink; ctx.lineWidth = 1;
  if (hot || was !== lane) ctx.strokeRect(x + 0.5, y + 0.5, w, was.tall - 9);
  ctx.lineWidth = 1.5;
  ctx.strokeRect(at.x + 0.5, at.y + 0.5, Math.max(2, at.w - 1), at.h - 1);
  ctx.setLineDash([]);
  if (hot) arrow(plan, x + w / 2, y + (was.tall - 9) / 2, at.x + Math.min(at.w / 2, 40), at.y + at.h / 2);
};
const arrow = (plan, x0, y0, x1, y1) => {
  const { ctx, c } = plan, turn = Math.atan2(y1 - y0, x1 - x0);
  if (Math.hypot(x1 - x0, y1 - y0) < 6) return;
  ctx.strokeStyle = ctx.fillStyle = c.ink; ctx.lineWidth = 1;
  ctx.beginPath(); ctx.moveTo(x0, y0); ctx.lineTo(x1, y1); ctx.stroke();
  ctx.beginPath(); ctx.moveTo(x1, y1);
  for (const side of [2.7, -2.7]) ctx.lineTo(x1 + 7 * Math.cos(turn + side), y1 + 7 * Math.sin(turn + side));
  ctx.fill();
};
const links = (plan) => {
  if (!plan.hot) return;
  const { ctx, c } = plan;
  for (const slot of plan.slots) if (slot.order === plan.hot.order) for (const n of slot.after) {
    const other = plan.slots[n], [a, b] = [plan.laneOf(other), plan.laneOf(slot)];
    if (!a || !b) continue;
    const from = place(plan, a, other), to = place(plan, b, slot), [x0, y0, x1, y1] = [from.x + from.w, from.y + from.h / 2, to.x, to.y + to.h / 2], bend = Math.max(14, Math.min(60, (x1 - x0) / 2));
    ctx.strokeStyle = c.ink; ctx.lineWidth = 1.2; ctx.globalAlpha = 0.7;
    ctx.beginPath(); ctx.moveTo(x0, y0); ctx.bezierCurveTo(x0 + bend, y0, x1 - bend, y1, x1, y1); ctx.stroke();
    ctx.globalAlpha = 1;
  }
};
const ring = (plan) => {
  const slot = plan.chosen, lane = slot && plan.laneOf(slot);
  if (!lane) return;
  const { ctx, c } = plan, at = place(plan, lane, slot);
  ctx.strokeStyle = c.ink; ctx.lineWidth = 2.5;
  ctx.strokeRect(at.x - 1.5, at.y - 1.5, Math.max(3, at.w) + 2, at.h + 3);
  ctx.strokeStyle = c.card; ctx.lineWidth = 1;
  ctx.strokeRect(at.x + 0.5, at.y + 0.5, Math.max(1, at.w - 2), at.h - 1);
};
const due = (plan, lane) => {
  if (lane.due == null) return;
  const { ctx, c } = plan, x = plan.x(lane.due), y = plan.y(lane) + lane.tall / 2, lateBy = lane.end - lane.due;
  if (lateBy > 0) { ctx.fillStyle = plan.p.late; ctx.fillRect(x, y + lane.tall / 2 - 5, plan.x(lane.end) - x, 3); }
  ctx.fillStyle = lateBy > 0 ? c.bad : c.ink; ctx.strokeStyle = c.card; ctx.lineWidth = 1.5;
  ctx.beginPath(); ctx.moveTo(x, y - 6.5); ctx.lineTo(x + 5.5, y); ctx.lineTo(x, y + 6.5); ctx.lineTo(x - 5.5, y); ctx.closePath(); ctx.stroke();
  if (lateBy > 0) ctx.fill(); else { ctx.fillStyle = c.card; ctx.fill(); ctx.strokeStyle = c.ink; ctx.lineWidth = 1.3; ctx.stroke(); }
};
const now = (plan, top, bottom) => {
  if (!plan.inForce) return;
  const { ctx, c } = plan, x = plan.x(plan.now());
  if (x < plan.gutter || x > plan.wide) return;
  ctx.fillStyle = c.copper; ctx.fillRect(x - 0.75, top, 1.5, bottom);
};

// ---- names, axis, overview
const cut = (ctx, text, room) => {
  if (width(ctx, text) <= room) return text;
  let n = text.length - 1;
  while (n > 1 && width(ctx, text.slice(0, n) + "…") > room) n--;
  return text.slice(0, n) + "…";
};
const name = (plan, lane) => {
  const { ctx, c } = plan, y = plan.y(lane), low = plan.tall - FOOT;
  ctx.save(); ctx.beginPath(); ctx.rect(0, AXIS, plan.gutter, low - AXIS); ctx.clip();
  ctx.textAlign = "left";
  const two = lane.under && lane.tall >= 34, mark = lane.due != null && lane.end > lane.due;
  ctx.font = `600 12.5px ${c.font}`; ctx.fillStyle = c.ink;
  ctx.fillText(cut(ctx, lane.name, plan.gutter - 12 - (mark ? 12 : 0)), 0, y + lane.tall / 2 + (two ? -7 : 0.5));
  if (mark) { ctx.fillStyle = c.bad; ctx.textAlign = "right"; ctx.fillText("!", plan.gutter - 8, y + lane.tall / 2 + 0.5); ctx.textAlign = "left"; }
  if (two) { ctx.font = `11.5px ${c.font}`; ctx.fillStyle = c.soft; ctx.fillText(cut(ctx, lane.under, plan.gutter - 10), 0, y + lane.tall / 2 + 8); }
  ctx.restore();
};
const said = (plan, text, x, y) => { plan.ctx.fillText(text, x, y); plan.labels.push({ text, x, y, w: width(plan.ctx, text) }); };
const axis = (plan, marks) => {
  const { ctx, c, gutter, wide, zone } = plan, fine = plan.step < 6e4;
  ctx.fillStyle = c.card; ctx.fillRect(0, 0, wide, AXIS);
  ctx.fillStyle = c.rule; ctx.fillRect(gutter, AXIS - 1, wide - gutter, 1);
  ctx.font = `11.5px ${c.font}`; ctx.fillStyle = c.soft;
  let end = -1;
  const here = plan.inForce ? plan.x(plan.now()) : -99;
  if (plan.step < 864e5) for (const { t, x } of marks) {
    const text = local(t, zone, { hour: "2-digit", minute: "2-digit", ...(fine ? { second: "2-digit" } : {}) }), w = width(ctx, text), left = Math.max(gutter, Math.min(wide - w, x - w / 2));
    if (left < end + 8 || (left < here + 20 && left + w > here - 20)) continue; // 'now' stands there
    ctx.textAlign = "left"; said(plan, text, left, 34); end = left + w;
  }
  days(plan, c.ink);
  ctx.textAlign = "left";
  if (!plan.inForce) return;
  const x = plan.x(plan.now());
  if (x < gutter || x > wide) return;
  ctx.font = `600 11px ${c.font}`;
  const w = width(ctx, "now") + 10, left = Math.max(gutter, Math.min(wide - w, x - w / 2));
  ctx.fillStyle = c.card; ctx.fillRect(left - 3, 24, w + 6, 20);
  ctx.fillStyle = c.copper; ctx.fillRect(left, 26, w, 17); ctx.fillStyle = c.card; said(plan, "now", left + 5, 35);
};
const days = (plan, ink) => {
  const { ctx, c, gutter, wide, zone } = plan;
  ctx.font = `600 11.5px ${c.font}`; ctx.fillStyle = ink; ctx.textAlign = "left";
  let t = plan.ms(plan.start), end = -1;
  const last = plan.ms(plan.end), each = (864e5 / (last - t)) * (wide - gutter);
  const long = { weekday: "short", day: "numeric", month: "short" }, short = { day: "numeric", month: "short" };
  for (let n = 0; t < last && n < 2000; n++) {
    const x = Math.max(gutter, plan.x(plan.seconds(t))), next = midnight(t, zone), to = Math.min(wide, plan.x(plan.seconds(next)));
    const text = [local(t, zone, long).replace(",", ""), local(t, zone, short)].find((one) => width(ctx, one) + 6 < to - x || (n === 0 && each > 40));
    if (text && x > end + 10 && x + width(ctx, text) <= wide + 1) { said(plan, text, x, 13); end = x + width(ctx, text); }
    else if (!text && x > end + 10 && x + 44 < wide) { const at = local(t, zone, short); said(plan, at, x, 13); end = x + width(ctx, at); }
    t = next;
  }
};
const midnight = (t, zone) => { // the next one in that zone, also where a day has 23 or 25 hours
  const [h, m, s] = local(t, zone, { hour: "2-digit", minute: "2-digit", second: "2-digit" }).split(":").map(Number);
  const next = t + (86400 - h * 3600 - m * 60 - s) * 1000, off = Number(local(next, zone, { hour: "2-digit" }));
  return off === 0 ? next : next + (off > 12 ? 24 - off : -off) * 36e5;
};
const overview = (plan) => {
  const { ctx, c, gutter, wide, tall } = plan, top = tall - FOOT + 8, h = FOOT - 10, room = wide - gutter;
  ctx.fillStyle = c.card; ctx.fillRect(0, tall - FOOT, wide, FOOT);
  ctx.fillStyle = c.wash; ctx.fillRect(gutter, top, room, h);
  const most = Math.max(1, ...plan.density);
  ctx.fillStyle = c.faint;
  plan.density.forEach((v, n) => { const tallest = (v / most) * (h - 2); ctx.fillRect(gutter + (n / plan.density.length) * room, top + h - tallest, room / plan.density.length, tallest); });
  const at = (s) => gutter + ((s - plan.first) / (plan.last - plan.first)) * room, a = Math.max(gutter, at(plan.start)), b = Math.min(wide, at(plan.end));
  ctx.globalAlpha = 0.55; ctx.fillStyle = c.card; ctx.fillRect(gutter, top, a - gutter, h); ctx.fillRect(b, top, wide - b, h); ctx.globalAlpha = 1;
  ctx.strokeStyle = c.ink; ctx.lineWidth = 1.5; ctx.strokeRect(a + 0.75, top - 0.5, Math.max(3, b - a - 1.5), h + 1);
};
