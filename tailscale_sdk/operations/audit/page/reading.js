// Reads the report once: what a page needs of each finding, and the text that search looks at.

const NO_COUNTS = Object.freeze({});

function readReport(data) {
  const findings = (data.findings ?? []).map(readFinding);
  const byCheck = gathered(findings, (finding) => finding.check);
  return {
    ...data,
    findings,
    coverage: Object.entries(data.coverage ?? {}),
    severities: data.summary?.by_severity ?? NO_COUNTS,
    outcomes: data.summary?.by_status ?? NO_COUNTS,
    trend: data.trend ?? [],
    checks: (data.checks ?? []).map((check) => readCheck(check, byCheck.get(check.check) ?? [])),
    resolved: (data.resolved ?? []).map((gone) => ({ ...gone, text: searchText(gone) })),
    comparable: typeof data.summary?.new === "number",
  };
}

function readFinding(finding, index) {
  const read = { resource: null, evidence: [], controls: [], ...finding, index };
  read.text = searchText(read);
  return read;
}

function readCheck(check, findings) {
  const read = { counts: NO_COUNTS, controls: [], inputs: [], ...check, findings };
  read.missing = Object.entries(check.missing ?? {});
  read.family = check.family ?? familyOf(check.check);
  read.text = searchText(read);
  return read;
}

// Whatever a person may remember of a finding or a check; words of the page itself are left to the filters.
function searchText(item) {
  const { resource, location, waiver } = item;
  const parts = [item.check, item.title, item.message, item.remediation, item.fingerprint, ...(item.controls ?? [])];
  if (resource) parts.push(resource.kind, resource.id, resource.name);
  if (location) parts.push(location.pointer, `line ${location.line}`);
  if (waiver) parts.push(waiver.owner, waiver.reason, waiver.ticket);
  gatherValues(item.evidence, parts);
  return parts.filter((part) => part !== null && part !== undefined).join("\n").toLowerCase();
}

function gatherValues(value, parts) {
  if (value && typeof value === "object") for (const inner of Object.values(value)) gatherValues(inner, parts);
  else if (value !== undefined) parts.push(String(value));
}

function gathered(items, keyOf) {
  const groups = new Map();
  for (const item of items) {
    const key = keyOf(item), group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
