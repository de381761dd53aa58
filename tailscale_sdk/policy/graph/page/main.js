// Joins search, filters, picture, table and panel.

const graph = readGraph(JSON.parse(byId("graph").textContent));
const state = { hidden: new Set(), chosen: null, view: "picture", part: null, stale: new Set() };
const picture = makePicture(choose);
const table = makeTable(choose);

function choose(node, moveFocus = false) {
  state.chosen = node;
  picture.mark(node);
  fillPanel(node, state.part, choose);
  if (!node || !moveFocus) return;
  if (state.view === "picture") picture.reveal(node);
  byId("panel").querySelector("h2").focus();
}

// What is not seen is drawn when it is looked at.
function refresh() {
  state.part = shownPart(graph, byId("search").value, state.hidden);
  state.stale = new Set(["picture", "table"]);
  const { nodes, edges } = state.part;
  byId("status").textContent = `${edges.length.toLocaleString("en")} of ${counted(graph.edges.length, "edge")}, ` +
    `${nodes.length.toLocaleString("en")} of ${counted(graph.nodes.length, "node")}`;
  show(state.view);
  choose(nodes.includes(state.chosen) ? state.chosen : null);
}

function show(view) {
  state.view = view;
  for (const name of ["picture", "table"]) {
    byId(name).hidden = name !== view;
    byId(`show-${name}`).setAttribute("aria-pressed", String(name === view));
  }
  if (!state.stale.delete(view)) return;
  if (view === "table") {
    table.fill(state.part);
  } else {
    picture.draw(state.part);
    picture.mark(state.chosen);
  }
}

function addBoxes(id, prefix, words, values, sample) {
  for (const [value, word] of Object.entries(words)) {
    const count = values.filter((other) => other === value).length;
    if (!count) continue;
    const box = element("input", { type: "checkbox", value: `${prefix} ${value}`, checked: "" });
    byId(id).append(element("label", {}, box, sample(value), element("span", {}, word),
      element("span", {}, count.toLocaleString("en"))));
  }
}

function lineSample(tone) {
  return drawn("svg", { width: 30, height: 12, "aria-hidden": "true" },
    drawn("path", { class: `edge tone-${tone}`, d: "M1 6H24", "marker-end": `url(#arrow-${tone})` }));
}

function addFilters() {
  const signed = Object.fromEntries(Object.entries(CHANGE_WORDS).map(([value, word]) => [value, `${SIGNS[value]} ${word}`.trim()]));
  addBoxes("changes", "change", signed, graph.edges.map((edge) => edge.change),
    (value) => lineSample(value === "same" ? "network" : value));
  addBoxes("edge-kinds", "edge", EDGE_WORDS, graph.edges.map((edge) => edge.kind), lineSample);
  addBoxes("node-kinds", "node", NODE_WORDS, graph.nodes.map((node) => node.kind), (value) =>
    drawn("svg", { width: 14, height: 14, "aria-hidden": "true", class: `kind-${value}` },
      drawn("rect", { class: "swatch", x: 1, y: 1, width: 12, height: 12, rx: 3 })));
  if (graph.edges.some((edge) => !edge.certain)) {
    byId("changes").append(element("p", { class: "quiet" }, drawn("svg", { width: 30, height: 12, "aria-hidden": "true" },
      drawn("path", { class: "edge tone-network uncertain", d: "M1 6H28" })), " uncertain: a fact is missing"));
  }
}

function resetFilters() {
  byId("search").value = "";
  for (const box of byId("filters").querySelectorAll("input")) box.checked = true;
  state.hidden.clear();
  refresh();
}

addFilters();
byId("search").addEventListener("input", refresh);
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("filters").addEventListener("change", (event) => {
  state.hidden[event.target.checked ? "delete" : "add"](event.target.value);
  refresh();
});
byId("reset").addEventListener("click", resetFilters);
byId("show-picture").addEventListener("click", () => show("picture"));
byId("show-table").addEventListener("click", () => show("table"));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && state.chosen) choose(null);
  if (event.key === "/" && !event.target.closest("input")) { byId("search").focus(); event.preventDefault(); }
});
refresh();
