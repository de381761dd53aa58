// Counts by severity over the runs: one small chart for each, for a few critical findings drown among many low ones.

const CHART = { width: 320, height: 120, left: 34, right: 14, top: 12, bottom: 22 };
const RUNS_AT_ONCE = 100;

function fillTrend(panel, { trend }) {
  if (trend.length < 2) {
    const words = trend.length ? "This is the first run on record. The trend starts with the next one." : "No runs are on record, so there is no trend.";
    panel.append(element("p", { class: "empty" }, words));
    return;
  }
  const every = trend.map((run) => Object.keys(SEVERITIES).reduce((sum, severity) => sum + countIn(run, severity), 0));
  const charts = Object.keys(SEVERITIES).map((severity) =>
    chartOf(SEVERITIES[severity], trend.map((run) => countIn(run, severity)), trend, severity));
  panel.append(element("h2", {}, "Failed findings, run by run ", countOf(trend.length, "run")),
    element("div", { class: "charts" }, chartOf("All", every, trend), ...charts), ...trendTable(trend));
}

function countIn(run, severity) {
  return run.by_severity?.[severity] ?? 0;
}

function chartOf(word, counts, trend, severity = null) {
  const now = counts.at(-1), before = counts.at(-2);
  const sentence = `${word}: ${grouped(counts[0])} in the first run, ${grouped(now)} in this one, ${grouped(Math.max(...counts))} at most.`;
  return element("figure", { class: severity ? `severity-${severity}` : "every" },
    element("figcaption", {}, severity ? severityIcon(severity) : "", ` ${word} `, element("strong", {}, grouped(now)), " ",
      element("span", { class: "quiet" }, changeWords(now - before))),
    curve(counts, trend, sentence));
}

function changeWords(change) {
  if (change === 0) return "as in the run before";
  return change > 0 ? `\u25b2 ${grouped(change)} more than before` : `\u25bc ${grouped(-change)} fewer than before`;
}

function curve(counts, trend, sentence) {
  const { width, height, left, right, top, bottom } = CHART;
  const most = niceMost(Math.max(...counts)), floor = height - bottom, across = placesOf(trend);
  const points = counts.map((count, index) => [
    left + across[index] * (width - left - right), floor - (count / most) * (floor - top)]);
  const path = points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
  return drawn("svg", { class: "curve", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": sentence },
    ...axes(most, trend),
    drawn("path", { class: "area", d: `M${left} ${floor}L${path}L${width - right} ${floor}z` }),
    drawn("path", { class: "stroke", d: `M${path}` }),
    ...dots(points, counts, trend));
}

// Runs stand where their moments are; where a moment cannot be read, one after another.
function placesOf(trend) {
  const moments = trend.map((run) => Date.parse(run.at)), first = moments[0], whole = moments.at(-1) - first;
  if (moments.every((at) => at >= first) && whole > 0) return moments.map((at) => (at - first) / whole);
  return trend.map((run, index) => index / (trend.length - 1));
}

function niceMost(most) {
  if (most <= 4) return 4;
  const scale = 10 ** Math.floor(Math.log10(most));
  const levels = [10, 12, 16, 20, 24, 30, 40, 50, 60, 80, 100].map((step) => step * scale / 10);
  return levels.find((level) => level >= most && level % 2 === 0);
}

function axes(most, trend) {
  const { width, height, left, right, top, bottom } = CHART;
  const levels = [0, most / 2, most].flatMap((level) => {
    const y = height - bottom - (level / most) * (height - bottom - top);
    return [
      drawn("path", { class: "level", d: `M${left} ${y}H${width - right}` }),
      drawn("text", { class: "tick", x: left - 6, y: y + 3.5, "text-anchor": "end" }, grouped(level)),
    ];
  });
  const ends = [[trend[0], left, "start"], [trend.at(-1), width - right, "end"]].map(([run, x, anchor]) =>
    drawn("text", { class: "tick", x, y: height - 6, "text-anchor": anchor }, moment(run.at, DAY).textContent));
  return [...levels, ...ends];
}

function dots(points, counts, trend) {
  const crowded = points.length > 40;
  return points.map(([x, y], index) => drawn("circle", { class: "dot", cx: x, cy: y, r: crowded ? 1.5 : 3 },
    drawn("title", {}, `${moment(trend[index].at).textContent}: ${grouped(counts[index])}`)));
}

function trendTable(trend) {
  const words = ["Run", ...Object.values(SEVERITIES)].map((word) => element("th", { scope: "col" }, word));
  const row = (run) => element("tr", { tabindex: "-1" }, element("th", { scope: "row" }, moment(run.at)),
    ...Object.keys(SEVERITIES).map((severity) => element("td", {}, grouped(countIn(run, severity)))));
  const body = element("tbody");
  const [, more] = paged(body, [...trend].reverse(), row, RUNS_AT_ONCE);
  const table = element("table", { class: "runs" },
    element("caption", {}, "The same numbers, the last run first"), element("thead", {}, element("tr", {}, ...words)), body);
  return [element("div", { class: "wide", tabindex: "0", role: "group", "aria-label": "Runs" }, table), more];
}
