// Times and lengths of time as the plan's page says them.
const formats = new Map();
export const local = (ms, zone, options) => {
  const key = zone + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options }));
  return formats.get(key).format(ms);
};
export const long = (s) => { // as people say it: 40 s, 5 min, 1 h 05 min, 3 d 4 h
  const [min, rest] = [Math.floor(Math.round(s) / 60), Math.round(s) % 60], h = Math.floor(min / 60);
  if (min < 10) return min ? `${min} min${rest ? ` ${rest} s` : ""}` : `${rest} s`;
  if (h < 1) return `${min} min`;
  return h < 48 ? `${h} h${min % 60 ? ` ${String(min % 60).padStart(2, "0")} min` : ""}` : `${Math.floor(h / 24)} d${h % 24 ? ` ${h % 24} h` : ""}`;
};
