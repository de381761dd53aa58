// The top of the page: whose tailnet, when, how bad, what changed, and what could not be judged.

function fillHeading(report, chooseSeverity) {
  byId("tailnet").textContent = report.tailnet ?? "Tailnet without a name";
  byId("when").append(...(report.observed_at ? ["As it was on ", moment(report.observed_at)] : ["It is not known when it was read"]));
  byId("verdict").append(verdictWords(report));
  byId("changes").append(...changesOf(report).map((words) => element("li", {}, ...words)));
  byId("tiles").append(...Object.keys(SEVERITIES).map((severity) => tileOf(severity, report, chooseSeverity)));
  fillOutcomes(byId("outcomes"), report);
  fillCoverage(byId("coverage"), report);
  byId("made").textContent = report.report ? `Report ${report.report}` : "";
}

function verdictWords({ severities, outcomes, checks, coverage }) {
  const count = (name) => severities[name] ?? 0;
  const urgent = ["critical", "high"].filter(count).map((name) => `${grouped(count(name))} ${name}`);
  const smaller = ["medium", "low", "info"].reduce((sum, name) => sum + count(name), 0);
  if (urgent.length) return `${listed(urgent)} ${count("critical") + count("high") === 1 ? "finding" : "findings"} to act on first.`;
  if (smaller) return `Nothing critical or high. ${numbered(smaller, "smaller finding")}.`;
  if (!checks.length) return "No check has run.";
  const open = (outcomes.unknown ?? 0) + (outcomes.error ?? 0) + coverage.length;
  return open ? "Nothing wrong was found, but not everything could be judged." : "Nothing wrong was found.";
}

function changesOf({ comparable, summary }) {
  if (!comparable) return [["No run before this one to compare with"]];
  return [["new", "+"], ["persisting", "="], ["resolved", "\u2212"]].map(([word, sign]) =>
    [element("span", { class: "sign", "aria-hidden": "true" }, sign), element("strong", {}, grouped(summary[word] ?? 0)), ` ${word}`]);
}

function tileOf(severity, report, chooseSeverity) {
  const count = report.severities[severity] ?? 0;
  const tile = element("button", {
    type: "button", class: `tile severity-${severity}${count ? "" : " none"}`, "data-severity": severity, "aria-pressed": "false",
  }, element("span", { class: "big" }, grouped(count)),
  element("span", { class: "word" }, severityIcon(severity), ` ${SEVERITIES[severity]}`));
  tile.addEventListener("click", () => chooseSeverity(severity));
  return tile;
}

function fillOutcomes(section, { outcomes, checks }) {
  const told = ["pass", "fail", "error", "manual", "unknown", "waived", "not_applicable"].filter((outcome) => outcomes[outcome] > 0);
  const judged = told.filter((outcome) => outcome !== "not_applicable");
  const items = told.map((outcome) => element("li", {}, element("span", { class: `swatch status-${outcome}`, "aria-hidden": "true" }),
    element("strong", {}, grouped(outcomes[outcome])), ` ${OUTCOMES[outcome].toLowerCase()}`));
  section.append(barOf(judged, outcomes), element("ul", { class: "legend" }, ...items),
    element("p", { class: "quiet" }, `Results of ${numbered(checks.length, "check")}, each over all it looks at.`));
}

function barOf(names, counts) {
  const whole = names.reduce((sum, name) => sum + counts[name], 0);
  let start = 0;
  const parts = names.map((name) => {
    const width = (counts[name] / whole) * 1000;
    start += width;
    return drawn("rect", { class: `status-${name}`, x: (start - width).toFixed(2), y: 0, width: Math.max(width - 2, 1).toFixed(2), height: 10 });
  });
  return drawn("svg", { class: "bar", viewBox: "0 0 1000 10", preserveAspectRatio: "none", "aria-hidden": "true" }, ...parts);
}

function fillCoverage(section, { coverage, checks, outcomes }) {
  const blind = checks.filter((check) => check.missing.length > 0), unknown = outcomes.unknown ?? 0, broken = outcomes.error ?? 0;
  const words = [];
  if (blind.length) words.push(`${grouped(blind.length)} of ${numbered(checks.length, "check")} could not look at all they need.`);
  if (unknown) words.push(`${numbered(unknown, "result")} ${unknown === 1 ? "is" : "are"} unknown.`);
  if (broken) words.push(`${numbered(broken, "check")} broke.`);
  section.append(element("p", {}, words.join(" ") || nothingBlind(checks)));
  if (coverage.length) section.append(element("p", {}, "Not read:"), coverageList(coverage, blind));
}

function nothingBlind(checks) {
  return checks.length ? "Every check could look at all it needs." : "No check has run.";
}

function coverageList(coverage, blind) {
  return element("dl", {}, ...coverage.flatMap(([part, why]) => {
    const hit = blind.filter((check) => check.missing.some(([missing]) => missing === part)).length;
    return [element("dt", {}, isolated(part)), element("dd", {}, isolated(String(why)), hit ? ` (${numbered(hit, "check")})` : "")];
  }));
}
