// Joins heading, tabs, search, filters and views.

const PRINTED_AT_MOST = 2000;
const VIEWS = { severity: fillSeverity, resource: fillResource, family: fillFamily, trend: fillTrend, resolved: fillResolved };
const FILTERS_OF = { severity: ["status", "severity", "state"], resource: ["status", "severity", "state"],
  family: ["status", "severity", "state"], trend: [], resolved: ["severity"] };

const narrow = matchMedia("(max-width: 40rem)");
const report = readReport(JSON.parse(byId("audit").textContent));
const state = { chosen: firstChoice(), view: "severity", part: null, stale: new Set(), printed: [] };

// What is not seen is made when it is looked at.
function refresh() {
  state.part = { trend: report.trend, ...selectFrom(report, state.chosen) };
  state.stale = new Set(Object.keys(VIEWS));
  for (const box of boxes()) box.parentElement.querySelector("output").value = grouped(state.part.counts[box.dataset.kind].get(box.value) ?? 0);
  show(state.view);
}

function show(view) {
  state.view = view;
  for (const each of Object.keys(VIEWS)) {
    byId(`view-${each}`).hidden = each !== view;
    byId(`tab-${each}`).setAttribute("aria-selected", String(each === view));
    byId(`tab-${each}`).tabIndex = each === view ? 0 : -1;
  }
  byId("filters").hidden = view === "trend";
  byId("filters").dataset.view = view;
  for (const each of Object.keys(CHOICES)) {
    byId(`choose-${each}`).hidden = !FILTERS_OF[view].includes(each) || (each === "state" && !report.comparable);
  }
  byId("shown").textContent = shownWords(view);
  if (state.stale.delete(view)) draw(byId(`view-${view}`), view);
}

function shownWords(view) {
  const [noun, shown, all] = view === "resolved" ? ["finding", state.part.resolved, report.resolved]
    : view === "family" ? ["check", state.part.checks, report.checks] : ["finding", state.part.findings, report.findings];
  return `${grouped(shown.length)} of ${numbered(all.length, noun)} shown`;
}

function draw(panel, view) {
  panel.replaceChildren();
  const listedHere = { severity: state.part.findings, resource: state.part.findings, family: state.part.checks, resolved: state.part.resolved }[view];
  if (listedHere && !listedHere.length) panel.append(element("p", { class: "empty" }, emptyWords(view)));
  else VIEWS[view](panel, state.part);
}

function emptyWords(view) {
  const all = view === "resolved" ? report.resolved : view === "family" ? report.checks : report.findings;
  if (all.length) return `Nothing to show: the search and the filters hide ${grouped(all.length)}.`;
  return view === "family" ? "No check has run." : "There are no findings.";
}

function addBoxes(kind) {
  for (const [value, word] of Object.entries(CHOICES[kind])) {
    const box = element("input", { type: "checkbox", value, "data-kind": kind });
    const icon = kind === "severity" ? severityIcon(value) : "";
    if (icon) icon.setAttribute("aria-hidden", "true");
    byId(`choose-${kind}`).append(element("label", {}, box, icon, element("span", {}, word), element("output", { class: "quiet" })));
  }
}

function boxes() {
  return byId("filters").querySelectorAll("input[data-kind]");
}

// Makes the boxes and the tiles say what is chosen.
function showChoice() {
  for (const box of boxes()) box.checked = state.chosen[box.dataset.kind].has(box.value);
  byId("search").value = state.chosen.query;
  for (const tile of byId("tiles").children) {
    tile.setAttribute("aria-pressed", String(state.chosen.severity.size === 1 && state.chosen.severity.has(tile.dataset.severity)));
  }
  refresh();
}

// A tile shows only its severity; pressed again, all of them.
function chooseSeverity(severity) {
  const only = state.chosen.severity.size === 1 && state.chosen.severity.has(severity);
  state.chosen.severity = new Set(only ? Object.keys(SEVERITIES) : [severity]);
  if (state.view === "trend") state.view = "severity";
  showChoice();
}

function moveInTabs(event) {
  const tabs = [...byId("tabs").children].filter((tab) => !tab.hidden), at = tabs.indexOf(event.target);
  const steps = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 };
  if (at < 0 || !(event.key in steps)) return;
  const next = tabs.at(steps[event.key] % tabs.length);
  event.preventDefault();
  show(viewOf(next));
  next.focus();
}

function viewOf(tab) {
  return tab.id.slice("tab-".length);
}

function openForPrint() {
  state.printed = unfoldAll(byId(`view-${state.view}`), PRINTED_AT_MOST);
  const note = byId("print-note");
  note.hidden = state.printed.length < PRINTED_AT_MOST;
  note.textContent = `Not everything is opened here: a print opens ${grouped(PRINTED_AT_MOST)} groups and findings. Filter to print the rest.`;
}

function closeAfterPrint() {
  for (const details of state.printed) details.open = false;
  byId("print-note").hidden = true;
}

// Where there is room the filters are always open: their heading is not seen there.
function foldChoices({ matches }) {
  byId("choices").open = !matches;
}

function listen() {
  narrow.addEventListener("change", foldChoices);
  byId("search").addEventListener("input", (event) => { state.chosen.query = event.target.value; refresh(); });
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("change", ({ target }) => {
    if (!target.dataset.kind) return;
    state.chosen[target.dataset.kind][target.checked ? "add" : "delete"](target.value);
    showChoice();
  });
  byId("reset").addEventListener("click", () => { state.chosen = firstChoice(); showChoice(); });
  byId("tabs").addEventListener("click", ({ target }) => { if (target.role === "tab") show(viewOf(target)); });
  byId("tabs").addEventListener("keydown", moveInTabs);
  addEventListener("beforeprint", openForPrint);
  addEventListener("afterprint", closeAfterPrint);
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.closest("input") && !byId("filters").hidden) { byId("search").focus(); event.preventDefault(); }
  });
}

Object.keys(CHOICES).forEach(addBoxes);
fillHeading(report, chooseSeverity);
byId("tab-resolved").hidden = report.resolved.length === 0;
foldChoices(narrow);
listen();
showChoice();
