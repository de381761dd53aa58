// What the page calls things, and how it writes numbers and moments.

const SEVERITIES = { critical: "Critical", high: "High", medium: "Medium", low: "Low", info: "Info" };
const STATUSES = { fail: "Fail", manual: "Manual", error: "Error", unknown: "Unknown", waived: "Waived" };
const OUTCOMES = { fail: "Fail", error: "Error", manual: "Manual", unknown: "Unknown", waived: "Waived", pass: "Pass", not_applicable: "Not applicable" };
const STATES = { new: "New", persisting: "Persisting" };
const FAMILIES = new Map(Object.entries({
  ACC: "Access policy", SSH: "SSH", KEY: "Keys and credentials", DEV: "Devices", NET: "Network", DNS: "DNS",
  SET: "Settings", LOG: "Logs and alerts", USR: "Users", CON: "Contacts", MAN: "Checked by hand",
}));
const SHOWN_AT_FIRST = ["fail", "manual", "error"];

const MOMENT = new Intl.DateTimeFormat("en-GB", {
  day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit", timeZone: "UTC", timeZoneName: "short",
});
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

function grouped(number) {
  return number.toLocaleString("en");
}

function numbered(number, noun) {
  return `${grouped(number)} ${noun}${number === 1 ? "" : "s"}`;
}

// "a", "a and b", "a, b and c".
function listed(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

// A moment that cannot be read is shown as it stands.
function moment(text, format = MOMENT) {
  const read = new Date(text);
  return element("time", { datetime: text }, Number.isNaN(read.getTime()) ? text : format.format(read));
}

function familyOf(check) {
  return check.split("-")[0];
}

function resourceName(resource) {
  return resource === null ? "Tailnet" : resource.name.trim() || resource.id || "(no name)";
}

// Shapes differ as well as colours: a severity is told apart on paper and by whoever sees colours otherwise.
const SHAPES = {
  critical: "M5 .8h6L15.2 5v6L11 15.2H5L.8 11V5zM7 3.8h2v5.4H7zM7 10.6h2v2H7z",
  high: "M8 1 15.6 14.6H.4zM7.1 5.8h1.8v4.4H7.1zM7.1 11.2h1.8V13H7.1z",
  medium: "M8 .8 15.2 8 8 15.2.8 8z",
  low: "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 1 1 0-11z",
  info: "M8 2a6 6 0 1 1 0 12a6 6 0 1 1 0-12zM8 3.7a4.3 4.3 0 1 0 0 8.6a4.3 4.3 0 1 0 0-8.6z",
};

function severityIcon(severity) {
  return drawn("svg", { class: `icon severity-${severity}`, viewBox: "0 0 16 16", role: "img", "aria-label": SEVERITIES[severity] },
    drawn("path", { d: SHAPES[severity], "fill-rule": "evenodd" }));
}

function badge(kind, words) {
  return element("span", { class: `badge ${kind}` }, words);
}

function isolated(text) {
  return element("bdi", {}, text);
}
