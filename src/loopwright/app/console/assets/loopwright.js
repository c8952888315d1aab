// What every page does in the browser: takes small changes from the server, posts what people do to the API, reads charts.
(() => {
  const lw = (window.lw = {});

  // ---- small changes: [[key, what, value], ...]; what is 'text', 'html', 'class' or the name of an attribute
  lw.patch = (changes) => {
    for (const [key, what, value] of changes)
      for (const el of document.querySelectorAll(`[data-k="${CSS.escape(key)}"]`)) {
        if (what === "text") { if (el.textContent !== value) el.textContent = value; }
        else if (what === "html") lw.morph(el, value);
        else if (what === "class") el.setAttribute("class", value);
        else el.setAttribute(what, value);
      }
  };

  // Makes `el` hold `html` by changing only what differs, so that animations, open details and typed words stay.
  lw.morph = (el, html) => {
    const next = document.createElement("template");
    next.innerHTML = html;
    children(el, next.content);
  };
  const children = (from, to) => {
    const old = [...from.childNodes], fresh = [...to.childNodes];
    fresh.forEach((node, i) => (old[i] ? node_(old[i], node) : from.append(node)));
    old.slice(fresh.length).forEach((node) => node.remove());
  };
  const node_ = (from, to) => {
    if (from.nodeName !== to.nodeName || (from.dataset && from.dataset.key !== to.dataset?.key)) return from.replaceWith(to);
    if (from.nodeType !== 1) { if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue; return; }
    if (from.matches("[data-keep]") || (from === document.activeElement && from.matches("input, textarea, select"))) return;
    for (const { name } of [...from.attributes])
      if (!to.hasAttribute(name) && !(name === "open" && from.matches("details"))) from.removeAttribute(name);
    for (const { name, value } of [...to.attributes]) if (from.getAttribute(name) !== value) from.setAttribute(name, value);
    children(from, to);
  };

  // ---- what people do goes through the API
  const toast = (title, lines = [], bad = false) => {
    let box = document.querySelector(".toasts");
    if (!box) { box = Object.assign(document.createElement("div"), { className: "toasts" }); box.setAttribute("role", "status"); document.body.append(box); }
    const one = document.createElement("div");
    if (bad) one.className = "bad";
    one.append(title, ...lines.filter(Boolean).map((line) => Object.assign(document.createElement("small"), { textContent: line })));
    box.append(one);
    setTimeout(() => one.remove(), bad ? 9000 : 3800);
  };
  const send = async (path, body, method = "POST") => {
    const form = body instanceof FormData;
    const answer = await fetch(path, { method, credentials: "same-origin", headers: form ? {} : { "Content-Type": "application/json" }, body: form ? body : JSON.stringify(body ?? {}) });
    const data = await answer.json().catch(() => ({}));
    if (!answer.ok) throw data;
    return data;
  };
  const act = async (el, path, body, done) => {
    el.disabled = true;
    try {
      const data = await send(path, body);
      toast(data.says || done || "Done.", data.notes || []);
      if (el.dataset.then) location.assign(el.dataset.then);
      else if (data.secret) secret(data.secret);
      if (window.emitEvent) window.emitEvent("lw-changed", {});
      return true;
    } catch (error) {
      toast(error.given ? `${error.where}: ${error.given}` : "The plant could not be reached.", [error.allowed && `Allowed: ${error.allowed}`, error.todo], true);
      return false;
    } finally { el.disabled = false; }
  };
  const dialog = (title, ...parts) => {
    const box = document.createElement("dialog"), head = document.createElement("h2");
    head.textContent = title;
    box.append(head, ...parts);
    document.body.append(box);
    box.addEventListener("close", () => box.remove());
    box.showModal();
    return box;
  };
  const secret = (word) => {
    const code = Object.assign(document.createElement("p"), { className: "code", textContent: word }), note = document.createElement("p");
    note.className = "note"; note.textContent = "Shown once. Keep it where you keep passwords.";
    dialog("Your new token", code, note);
  };
  const ask = (question) => new Promise((resolve) => {
    const form = document.createElement("form"), area = document.createElement("textarea"), row = document.createElement("div");
    const no = Object.assign(document.createElement("button"), { type: "button", className: "button quiet", textContent: "Cancel" });
    const yes = Object.assign(document.createElement("button"), { type: "submit", className: "button main", textContent: "Send" });
    area.required = true; area.placeholder = "In a sentence, for the ledger"; row.className = "buttons"; row.append(yes, no); form.append(area, row);
    const box = dialog(question, form);
    area.focus();
    no.onclick = () => box.close();
    box.addEventListener("close", () => resolve(null));
    form.onsubmit = (event) => { event.preventDefault(); resolve(area.value.trim()); box.close(); };
  });
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-post]:not(form)");
    if (button) {
      const body = JSON.parse(button.dataset.body || "{}");
      if (button.dataset.ask) { const why = await ask(button.dataset.ask); if (!why) return; body.why = why; }
      return void act(button, button.dataset.post, body, button.dataset.done);
    }
    const unit = event.target.closest("[data-units]");
    if (unit) { document.cookie = `loopwright_units=${unit.dataset.units}; path=/; max-age=31536000; samesite=lax`; return location.reload(); }
    const row = event.target.closest("tr[data-href]");
    if (row && !event.target.closest("a, button") && !String(getSelection())) location.assign(row.dataset.href);
  });
  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-post]");
    if (!form) return;
    event.preventDefault();
    const data = new FormData(form), button = form.querySelector("[type=submit]") || form;
    const body = form.hasAttribute("data-upload") ? data : Object.fromEntries(data);
    for (const name of (form.dataset.lines ?? "").split(" ").filter(Boolean)) body[name] = body[name].split("\n").map((line) => line.trim()).filter(Boolean);
    const ok = await act(button, form.dataset.post, body, form.dataset.done);
    if (ok) form.reset();
  });

  // ---- reading a chart: the line itself is the data
  const lines = new WeakMap();
  const points = (path) => {
    const d = path.getAttribute("d"), known = lines.get(path);
    if (known && known.d === d) return known.xy;
    const xy = (d.match(/-?[\d.]+ -?[\d.]+/g) || []).map((pair) => pair.split(" ").map(Number));
    lines.set(path, { d, xy });
    return xy;
  };
  const hair = (plot, event) => {
    const path = plot.querySelector(".line"), box = plot.getBoundingClientRect(), xy = path ? points(path) : [];
    if (!xy.length) return;
    const x = ((event.clientX - box.left) / box.width) * 1000;
    const near = xy.reduce((best, p) => (Math.abs(p[0] - x) < Math.abs(best[0] - x) ? p : best), xy[0]);
    const { t0, t1, lo, hi, digits, unit, zone } = plot.dataset;
    const t = +t0 + (near[0] / 1000) * (t1 - t0), value = +hi - (near[1] / 100) * (hi - lo);
    let line = plot.querySelector(".hair");
    if (!line) { line = Object.assign(document.createElement("div"), { className: "hair" }); plot.append(line); }
    line.style.left = `${near[0] / 10}%`;
    line.classList.toggle("left", near[0] > 560);
    line.dataset.words = `${value.toFixed(digits)} ${unit}  ·  ${new Date(t).toLocaleTimeString([], { timeZone: zone || undefined, hour12: false })}`;
  };
  document.addEventListener("pointermove", (event) => { const plot = event.target.closest?.(".plot[data-t0]"); if (plot) hair(plot, event); });
  document.addEventListener("pointerout", (event) => { const plot = event.target.closest?.(".plot[data-t0]"); if (plot && !plot.contains(event.relatedTarget)) plot.querySelector(".hair")?.remove(); });

  // ---- solids: three.js is loaded only where one is shown
  const solids = () => {
    for (const el of document.querySelectorAll("[data-solid]:not([data-shown])")) {
      el.dataset.shown = "1";
      import(el.dataset.module).then((m) => m.show(el)).catch(() => { el.querySelector(".word").textContent = "This browser cannot show the solid."; });
    }
  };
  const charts = () => {
    for (const el of document.querySelectorAll("[data-chart]:not([data-shown])")) {
      el.dataset.shown = "1";
      import("/assets/chart.js").then((m) => m.show(el)).catch(() => { el.querySelector(".chart-range").textContent = "This browser cannot draw the charts."; });
    }
  };
  const plans = () => {
    for (const el of document.querySelectorAll("[data-plan]:not([data-shown])")) {
      el.dataset.shown = "1";
      import("/assets/plan.js").then((m) => m.show(el)).catch(() => { el.querySelector(".plan-range").textContent = "This browser cannot draw the plan."; });
    }
  };
  new MutationObserver(plans).observe(document.documentElement, { childList: true, subtree: true });
  document.addEventListener("DOMContentLoaded", plans);
  new MutationObserver(charts).observe(document.documentElement, { childList: true, subtree: true });
  document.addEventListener("DOMContentLoaded", charts);
  new MutationObserver(solids).observe(document.documentElement, { childList: true, subtree: true });
  document.addEventListener("DOMContentLoaded", solids);
})();
