// What of the graph is shown: by search text and by the boxes that are ticked.

const CHANGE_WORDS = { same: "unchanged", gained: "gained", lost: "lost" };
const SIGNS = { same: "", gained: "+", lost: "\u2212" };
const EDGE_WORDS = { network: "network", ssh: "SSH", app: "app capability" };
const NODE_WORDS = {
  user: "user", group: "group", tag: "tag", autogroup: "autogroup", host: "host", network: "network",
  device: "device", route: "route", exit: "exit node", ipset: "IP set", any: "anything", service: "service",
};

// Gives nodes and edges with references to each other in place of ids, and the text that search looks at.
function readGraph(data) {
  const nodes = data.nodes.map((node, index) => ({ ...node, index, edges: [] }));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const edges = data.links.map((link, index) => {
    const edge = { ...link, index, source: byId.get(link.source), target: byId.get(link.target) };
    edge.source.edges.push(edge);
    if (edge.target !== edge.source) edge.target.edges.push(edge);
    return edge;
  });
  for (const node of nodes) node.text = searchText(nodeWords(node), NODE_WORDS[node.kind], node.id);
  for (const edge of edges) {
    const change = edge.change === "same" ? "" : CHANGE_WORDS[edge.change];
    edge.text = searchText(edgeWords(edge), EDGE_WORDS[edge.kind], change, ...edge.rules);
  }
  return { nodes, edges };
}

function searchText(...parts) {
  return parts.join("\n").toLowerCase();
}

function nameOf(node) {
  return node.label.trim() || "(no name)";
}

function nodeWords(node) {
  return node.count === null ? nameOf(node) : `${nameOf(node)} (${counted(node.count, "device")})`;
}

function edgeWords(edge) {
  const kind = { network: "", ssh: "SSH ", app: "app " }[edge.kind];
  const count = edge.count === null ? "" : ` (\u00d7${edge.count})`;
  return `${SIGNS[edge.change]} ${kind}${edge.label}${count}${edge.certain ? "" : " (uncertain)"}`.trim();
}

function counted(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

// An edge is tinted by its change, and by its kind where nothing changes.
function toneOf(edge) {
  return `tone-${edge.change === "same" ? edge.kind : edge.change}`;
}

// Every word of the search must be found in an edge or at one of its ends.
function shownPart(graph, query, hidden) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const found = (...texts) => words.every((word) => texts.some((text) => text.includes(word)));
  const ticked = (node) => !hidden.has(`node ${node.kind}`);
  const edges = graph.edges.filter((edge) =>
    !hidden.has(`edge ${edge.kind}`) && !hidden.has(`change ${edge.change}`) &&
    ticked(edge.source) && ticked(edge.target) && found(edge.text, edge.source.text, edge.target.text));
  const ends = new Set(edges.flatMap((edge) => [edge.source, edge.target]));
  const filtered = hidden.size > 0;
  // A node without any edge is shown while nothing is filtered; one whose edges are all hidden goes with them.
  const nodes = graph.nodes.filter((node) =>
    ends.has(node) || (ticked(node) && found(node.text) && (!filtered || node.edges.length === 0)));
  return { nodes, edges };
}
