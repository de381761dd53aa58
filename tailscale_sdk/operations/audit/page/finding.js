// One finding: a line that says what is the case, and all that is known of it below.

const FINDINGS_AT_ONCE = 50;
const EVIDENCE_AT_ONCE = 100;

function findingList(findings, leadOf) {
  return paged(element("div", { class: "findings" }), findings, (finding) => findingRow(finding, leadOf(finding)), FINDINGS_AT_ONCE);
}

function leadByResource(finding) {
  const kind = finding.resource?.kind ?? "";
  return [isolated(resourceName(finding.resource)), " ", element("span", { class: "quiet" }, kind)];
}

function leadByCheck(finding) {
  return [element("span", { class: "code" }, finding.check), " ", finding.title];
}

function findingRow(finding, lead) {
  const marks = [
    finding.status === "fail" ? "" : badge(`status-${finding.status}`, STATUSES[finding.status]),
    finding.state === "new" ? badge("new", "New") : "",
    finding.location ? element("span", { class: "quiet line" }, `line ${finding.location.line}`) : "",
  ];
  const summary = [
    severityIcon(finding.severity),
    element("span", { class: "what" }, element("span", { class: "lead" }, ...lead), " ", element("bdi", { class: "message" }, finding.message)),
    element("span", { class: "marks" }, ...marks),
  ];
  return folding({ class: "finding", "data-index": finding.index }, summary, () => [detailOf(finding)]);
}

function detailOf(finding) {
  const rows = [
    ["What to do", finding.remediation && isolated(finding.remediation)],
    ["Fix", finding.fix && fixOf(finding)],
    ["Waiver", finding.waiver && waiverOf(finding.waiver)],
    ["Evidence", finding.evidence.length > 0 && evidenceOf(finding.evidence)],
    ["In the policy", finding.location && placeOf(finding.location)],
    ["Check", element("span", {}, ...leadByCheck(finding))],
    ["Resource", finding.resource && resourceOf(finding.resource)],
    ["First seen", finding.first_seen && moment(finding.first_seen)],
    ["Controls", finding.controls.length > 0 && controlsOf(finding.controls)],
    ["Fingerprint", element("code", { class: "fingerprint" }, finding.fingerprint)],
  ];
  return definitions(rows);
}

function definitions(rows) {
  const told = rows.filter(([, content]) => content);
  return element("dl", { class: "detail" }, ...told.flatMap(([word, content]) =>
    [element("dt", {}, word), element("dd", {}, content)]));
}

function resourceOf({ kind, id, name: called }) {
  const told = [isolated(called), " ", element("span", { class: "quiet" }, kind)];
  return element("span", {}, ...told, ...(id === called ? [] : [" ", element("code", {}, isolated(id))]));
}

function placeOf({ pointer, line, column }) {
  return element("span", {}, `line ${line}, column ${column} `, element("code", {}, isolated(pointer)));
}

function controlsOf(controls) {
  return element("span", {}, ...controls.flatMap((control) => [badge("control", control), " "]));
}

function waiverOf({ owner, reason, expires, ticket }) {
  const until = expires ? [" until ", moment(expires, DAY)] : [" with no end"];
  const number = ticket ? [", ticket ", isolated(ticket)] : [];
  return element("span", {}, "by ", isolated(owner ?? "(nobody)"), ...until, ...number, ": ", isolated(reason ?? ""));
}

// What a fix sends is written in ASCII: it can be copied without a sign that is not seen.
function fixOf(finding) {
  return element("div", { class: "fix" },
    copyable("See and apply it", `tailscale-sdk audit fix ${finding.fingerprint.slice(0, 12)}`),
    copyable("What it sends", finding.fix));
}

function copyable(word, text) {
  const code = element("pre", { tabindex: "0", "aria-label": word }, text);
  const button = element("button", { type: "button" }, "Copy");
  button.setAttribute("aria-label", `Copy: ${word}`);
  button.addEventListener("click", () => copyFrom(code, button));
  return element("div", { class: "copyable" }, element("p", {}, word), code, button);
}

async function copyFrom(code, button) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
    byId("copied").textContent = "Copied";
  } catch {
    // A browser may forbid it: then the text is selected, and a person copies it with the keyboard.
    getSelection().selectAllChildren(code);
    button.textContent = "Selected";
    byId("copied").textContent = "Selected: copy it with the keyboard";
  }
}

function evidenceOf(facts) {
  const head = ["Source", "Fact", "Value"].map((word) => element("th", { scope: "col" }, word));
  const rows = facts.slice(0, EVIDENCE_AT_ONCE).map(factRows);
  const rest = facts.length - rows.length;
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...head)), ...rows);
  const note = rest ? element("p", { class: "quiet" }, `${numbered(rest, "more fact")}: see the report as JSON.`) : "";
  return element("div", { class: "evidence", tabindex: "0", role: "group", "aria-label": "Evidence" }, table, note);
}

function factRows({ source, ...values }) {
  const told = flattened(values);
  const first = element("th", { scope: "rowgroup", rowspan: Math.max(told.length, 1) }, isolated(String(source ?? "")));
  const rows = told.map(([word, value]) =>
    element("tr", {}, element("td", {}, isolated(word)), element("td", {}, isolated(valueWords(value)))));
  if (!rows.length) rows.push(element("tr", {}, element("td", { colspan: 2 })));
  rows[0].prepend(first);
  return element("tbody", {}, ...rows);
}

// Members of members get a row each: "capabilities.devices.create" reads better than brackets.
function flattened(values, before = "") {
  return Object.entries(values).flatMap(([word, value]) =>
    isFolder(value) ? flattened(value, `${before}${word}.`) : [[before + word, value]]);
}

function isFolder(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value) && Object.keys(value).length > 0;
}

function valueWords(value) {
  if (value === null) return "\u2013";
  if (Array.isArray(value) && value.every((each) => each === null || typeof each !== "object")) return value.join(", ") || "(none)";
  return typeof value === "object" ? JSON.stringify(value, null, 1) : String(value);
}
