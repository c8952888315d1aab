// The plan as a table: the same operations in words, a page at a time, for whoever does not read drawings.
import { long } from "./plan_words.js";

const PAGE = 100, STATES = ["planned", "running", "done"];
const HEADS = ["Order", "Operation", "Machine", "Person", "Starts", "Ends", "State", "Waits for", "Slack", "Due"];
const make = (name, cls, ...children) => { const made = document.createElement(name); if (cls) made.className = cls; made.append(...children); return made; };

export const rows = (plan, root) => {
  let page = 0;
  const words = make("p", "note"), body = make("tbody"), back = make("button", "button small", "Previous"), on = make("button", "button small", "Next");
  const head = make("tr", "", ...HEADS.map((text) => Object.assign(make("th", "", text), { scope: "col" })));
  back.type = on.type = "button";
  root.replaceChildren(words, make("div", "scroll", make("table", "grid stack", make("thead", "", head), body)), make("div", "buttons", back, on));
  const cells = (slot) => {
    const { data } = plan, due = data.due[slot.order], late = due == null ? "" : data.ends[slot.order] > due ? `, ${long(data.ends[slot.order] - due)} late` : "";
    const setup = slot.setup ? ` after ${long(slot.setup)} of setup` : "";
    return [data.orders[slot.order], slot.operation, data.machines[slot.machine], slot.person, plan.time(slot.start) + setup, plan.time(slot.end),
      STATES[slot.state] + (slot.frozen && slot.state === 0 ? ", fixed" : ""), slot.why.map(([, text]) => text).join("; "),
      slot.slack === null ? "" : slot.slack ? long(slot.slack) : "none", due == null ? "" : plan.time(due) + late];
  };
  const draw = () => {
    const all = plan.found ? plan.slots.filter((slot) => plan.found.has(slot.i)) : plan.slots, pages = Math.max(1, Math.ceil(all.length / PAGE));
    page = Math.min(page, pages - 1);
    const part = all.slice(page * PAGE, (page + 1) * PAGE);
    body.replaceChildren(...part.map((slot) => make("tr", "", ...cells(slot).map((text, n) => { const cell = make("td", "", text); cell.dataset.head = HEADS[n]; return cell; }))));
    words.textContent = all.length ? `${page * PAGE + 1} to ${page * PAGE + part.length} of ${all.length} operations, in the order of their start.` : "No operation is called that.";
    back.disabled = page === 0; on.disabled = page === pages - 1;
  };
  back.onclick = () => { page--; draw(); };
  on.onclick = () => { page++; draw(); };
  return { draw };
};
