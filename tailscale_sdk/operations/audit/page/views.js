// The lists: by severity, by resource, by family with every check, and what is resolved.

const GROUPS_AT_ONCE = 100;
// So few findings are shown at once; more are folded into their groups.
const UNFOLDED_AT_MOST = 40;

function fillSeverity(panel, { findings }) {
  const bySeverity = gathered(findings, (finding) => finding.severity);
  const few = findings.length <= UNFOLDED_AT_MOST;
  panel.append(...Object.keys(SEVERITIES).filter((severity) => bySeverity.has(severity)).map((severity) => {
    const found = bySeverity.get(severity);
    const groups = [...gathered(found, (finding) => finding.check).values()].sort((left, right) => right.length - left.length);
    return element("section", { class: "group" },
      element("h2", {}, severityIcon(severity), ` ${SEVERITIES[severity]} `, countOf(found.length, "finding")),
      ...groups.map((group) => checkGroup(group, few)));
  }));
}

function countOf(number, noun) {
  return element("span", { class: "quiet count" }, numbered(number, noun));
}

function checkGroup(findings, isOpen) {
  const fresh = findings.filter((finding) => finding.state === "new").length;
  const summary = [
    element("span", { class: "what" }, ...leadByCheck(findings[0])),
    element("span", { class: "marks" }, fresh ? badge("new", `${grouped(fresh)} new`) : "", badge("number", grouped(findings.length))),
  ];
  return opened(folding({ class: "fold" }, summary, () => findingList(findings, leadByResource)), isOpen);
}

function opened(details, isOpen) {
  if (isOpen) unfold(details);
  return details;
}

function fillResource(panel, { findings }) {
  const groups = [...gathered(findings, resourceKey).values()].map((group) => ({ group, counts: severityCounts(group) }));
  groups.sort((left, right) => worseFirst(left.counts, right.counts));
  const few = findings.length <= UNFOLDED_AT_MOST;
  panel.append(element("h2", {}, `Resources, the worst first `, countOf(groups.length, "resource")),
    ...paged(element("div", { class: "group" }), groups, ({ group }) => resourceGroup(group, few), GROUPS_AT_ONCE));
}

function resourceKey({ resource }) {
  return resource === null ? "" : JSON.stringify([resource.kind, resource.id]);
}

function resourceGroup(findings, isOpen) {
  const bySeverity = gathered(findings, (finding) => finding.severity);
  const counts = Object.keys(SEVERITIES).filter((severity) => bySeverity.has(severity)).map((severity) =>
    element("span", { class: "tally" }, severityIcon(severity), grouped(bySeverity.get(severity).length)));
  const summary = [
    element("span", { class: "what" }, ...leadByResource(findings[0])),
    element("span", { class: "marks" }, ...counts),
  ];
  return opened(folding({ class: "fold" }, summary, () => findingList(findings, leadByCheck)), isOpen);
}

function fillFamily(panel, { checks, findings }) {
  const shown = gathered(findings, (finding) => finding.check), families = gathered(checks, (check) => check.family);
  const order = [...FAMILIES.keys()].filter((family) => families.has(family));
  const others = [...families.keys()].filter((family) => !FAMILIES.has(family));
  panel.append(...[...order, ...others].map((family) => {
    const members = families.get(family), failing = members.filter((check) => verdictOf(check) === "fail").length;
    return element("section", { class: "group" },
      element("h2", {}, `${FAMILIES.get(family) ?? family} `, element("span", { class: "quiet code" }, family), " ",
        element("span", { class: "quiet count" }, numbered(members.length, "check") + (failing ? `, ${grouped(failing)} with failures` : ""))),
      ...members.map((check) => checkRow(check, shown.get(check.check) ?? [])));
  }));
}

// A check is as good as the worst of what it says; what passed says nothing where something else did not.
function verdictOf({ counts }) {
  return Object.keys(OUTCOMES).find((outcome) => counts[outcome] > 0) ?? "not_applicable";
}

function checkRow(check, shown) {
  const verdict = verdictOf(check);
  const summary = [
    severityIcon(check.severity),
    element("span", { class: "what" }, ...leadByCheck(check)),
    element("span", { class: "marks" }, outcomeWords(check.counts, verdict), badge(`status-${verdict}`, OUTCOMES[verdict])),
  ];
  return folding({ class: "fold check" }, summary, () => checkDetail(check, shown));
}

function outcomeWords(counts, verdict) {
  const told = Object.keys(OUTCOMES).filter((outcome) => counts[outcome] > 0);
  const words = told.map((outcome) => `${grouped(counts[outcome])} ${OUTCOMES[outcome].toLowerCase()}`);
  return element("span", { class: "quiet outcome-words" }, told.length === 1 && verdict === "not_applicable" ? "" : words.join(", "));
}

function checkDetail(check, shown) {
  const missing = check.missing.map(([part, why]) => element("li", {}, isolated(part), ": ", isolated(String(why))));
  const hidden = check.findings.length - shown.length;
  const rows = definitions([
    ["What to do", check.remediation && isolated(check.remediation)],
    ["Looks at", check.inputs.length > 0 && listed(check.inputs)],
    ["Not read", missing.length > 0 && element("ul", {}, ...missing)],
    ["Controls", check.controls.length > 0 && controlsOf(check.controls)],
    ["Findings", hidden > 0 && `${grouped(shown.length)} shown, ${grouped(hidden)} hidden by the filters`],
  ]);
  return [rows, ...(shown.length ? findingList(shown, leadByResource) : [])];
}

function fillResolved(panel, { resolved }) {
  const row = (gone) => element("li", { class: "gone", tabindex: "-1" }, severityIcon(gone.severity),
    element("span", { class: "what" }, ...leadByCheck(gone), " ", element("span", { class: "lead" }, isolated(resourceName(gone.resource ?? null))), " ",
      element("bdi", { class: "message" }, gone.message)),
    element("span", { class: "quiet" }, "seen ", moment(gone.first_seen ?? "?", DAY), ", resolved ", moment(gone.resolved_at ?? "?", DAY)));
  panel.append(element("h2", {}, "No longer found ", countOf(resolved.length, "finding")),
    ...paged(element("ul", { class: "group" }), resolved, row, GROUPS_AT_ONCE));
}
