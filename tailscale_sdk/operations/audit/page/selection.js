// What of the report is shown: by search text and by the boxes that are ticked.

const CHOICES = { status: STATUSES, severity: SEVERITIES, state: STATES };

function firstChoice() {
  return {
    query: "",
    status: new Set(SHOWN_AT_FIRST), severity: new Set(Object.keys(SEVERITIES)), state: new Set(Object.keys(STATES)),
  };
}

// Every word of the search must be found.
function matcher(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return (text) => words.every((word) => text.includes(word));
}

function selectFrom(report, chosen) {
  const found = matcher(chosen.query);
  const everyState = chosen.state.size === Object.keys(STATES).length;
  const inState = ({ state }) => chosen.state.has(state) || (everyState && !state);
  const tests = { status: ({ status }) => chosen.status.has(status), severity: ({ severity }) => chosen.severity.has(severity), state: inState };
  const [findings, counts] = sifted(report.findings.filter((finding) => found(finding.text)), tests);
  const withFindings = new Set(findings.map((finding) => finding.check));
  return {
    findings,
    counts,
    checks: report.checks.filter((check) =>
      withFindings.has(check.check) || (chosen.severity.has(check.severity) && found(check.text))),
    resolved: report.resolved.filter((gone) => chosen.severity.has(gone.severity) && found(gone.text)),
  };
}

// What passes every test, and beside each box how many there would be of it: those the other tests let through.
function sifted(findings, tests) {
  const kinds = Object.keys(tests), passing = [];
  const counts = Object.fromEntries(kinds.map((kind) => [kind, new Map()]));
  for (const finding of findings) {
    const failed = kinds.filter((kind) => !tests[kind](finding));
    if (!failed.length) passing.push(finding);
    for (const kind of failed.length ? failed : kinds) {
      if (failed.length < 2) counts[kind].set(finding[kind], (counts[kind].get(finding[kind]) ?? 0) + 1);
    }
  }
  return [passing, counts];
}

// How many there are of each severity, the worst first: what failed before what is only not known.
function severityCounts(findings) {
  const names = Object.keys(SEVERITIES), counts = new Array(2 * names.length).fill(0);
  for (const finding of findings) counts[names.indexOf(finding.severity) + (finding.status === "fail" ? 0 : names.length)] += 1;
  return counts;
}

function worseFirst(left, right) {
  const at = left.findIndex((count, index) => count !== right[index]);
  return at < 0 ? 0 : right[at] - left[at];
}
