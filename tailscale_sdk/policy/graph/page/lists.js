// The table of edges, and the panel with the edges of one node.

const ROWS_AT_ONCE = 200;
const LISTED_IN_PANEL = 200;

function makeTable(choose) {
  let edges = [], shown = 0;
  const more = byId("more-rows");

  function extend() {
    const next = edges.slice(shown, shown + ROWS_AT_ONCE);
    byId("rows").append(...next.map((edge) => rowOf(edge, choose)));
    shown += next.length;
    byId("table-count").textContent = `${shown.toLocaleString("en")} of ${counted(edges.length, "edge")} listed`;
    const rest = edges.length - shown;
    more.hidden = rest === 0;
    more.textContent = `List ${Math.min(rest, ROWS_AT_ONCE)} more`;
  }

  more.addEventListener("click", extend);
  return {
    fill(part) {
      edges = part.edges;
      shown = 0;
      byId("rows").replaceChildren();
      extend();
    },
  };
}

function rowOf(edge, choose) {
  const cells = [
    [nameButton(edge.source, choose)], [nameButton(edge.target, choose)],
    [element("bdi", {}, allowedWords(edge))], [EDGE_WORDS[edge.kind]], [changeMark(edge)], rulesOf(edge),
  ];
  return element("tr", { "data-index": edge.index }, ...cells.map((content) => element("td", {}, ...content)));
}

// What an edge allows, where its sign and its kind stand beside it.
function allowedWords(edge) {
  const count = edge.count === null ? "" : ` (\u00d7${edge.count})`;
  return `${edge.label}${count}${edge.certain ? "" : " (uncertain)"}`;
}

function fillPanel(node, part, choose) {
  const panel = byId("panel");
  if (node === null) {
    panel.replaceChildren(element("p", { class: "quiet" }, "Choose a node to see its edges and the rules that give them."));
    return;
  }
  const visible = new Set(part.edges), edges = node.edges.filter((edge) => visible.has(edge));
  const close = element("button", { type: "button", id: "leave" }, "Leave");
  close.addEventListener("click", () => choose(null));
  panel.replaceChildren(
    element("h2", { tabindex: "-1", dir: "auto" }, nodeWords(node)),
    element("p", { class: "quiet" }, NODE_WORDS[node.kind]),
    ...sectionOf("Reaches", edges.filter((edge) => edge.source === node), (edge) => edge.target, choose),
    ...sectionOf("Reached by", edges.filter((edge) => edge.target === node), (edge) => edge.source, choose),
    close);
}

function sectionOf(title, edges, otherEnd, choose) {
  if (!edges.length) return [];
  const items = edges.slice(0, LISTED_IN_PANEL).map((edge) => element("li", { "data-index": edge.index },
    nameButton(otherEnd(edge), choose), element("br"),
    element("bdi", {}, `${EDGE_WORDS[edge.kind]}: ${allowedWords(edge)}`), " ",
    ...(edge.change === "same" ? [] : [changeMark(edge)]), element("br"), ...rulesOf(edge)));
  const rest = edges.length - items.length;
  const note = rest ? [element("p", { class: "quiet" }, `${counted(rest, "more edge")}: search for the name and see the table.`)] : [];
  return [element("h3", {}, `${title} (${edges.length.toLocaleString("en")})`), element("ul", {}, ...items), ...note];
}
