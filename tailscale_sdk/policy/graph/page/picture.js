// Draws the graph, lets it be moved and zoomed, and walks its nodes by keys.

const EDGES_DRAWN = 3000;
const NODES_DRAWN = 1500;
const LABELS_DRAWN = 120;
const SCALE = { least: 0.05, most: 3, readable: 0.45 };
const MARGIN = 90;
const TONES = ["network", "ssh", "app", "gained", "lost"];

function makePicture(choose) {
  const canvas = byId("drawing");
  const world = drawn("g");
  byId("markers").append(drawn("defs", {}, ...TONES.map(arrowhead)));
  canvas.append(world);
  const view = { x: 0, y: 0, scale: 1 };
  let layout = { width: 1, height: 1 }, drawnNodes = [], drawnEdges = [], labels = drawn("g");

  function draw(shown) {
    const part = drawable(shown);
    const at = new Map(part.nodes.map((node, index) => [node, index]));
    layout = layoutOf(part.nodes.length, part.edges.map((edge) => [at.get(edge.source), at.get(edge.target)]));
    part.nodes.forEach((node, index) => { node.x = layout.x[index]; node.y = layout.y[index]; });
    const lanes = lanesOf(part.edges);
    drawnEdges = part.edges.map((edge) => drawEdge(edge, lanes.get(edge)));
    drawnNodes = part.nodes.map(drawNode);
    labels = drawn("g");
    world.replaceChildren(...drawnEdges.map((item) => item.shape), ...drawnNodes.map((item) => item.shape), labels);
    canvas.classList.toggle("crowded", part.edges.length > 3 * LABELS_DRAWN);
    tellLimits(shown, part);
    fit(SCALE.readable);
  }

  function mark(chosen) {
    const touched = chosen ? new Set(chosen.edges.flatMap((edge) => [edge.source, edge.target]).concat(chosen)) : new Set();
    canvas.classList.toggle("choosing", chosen !== null);
    for (const { edge, shape } of drawnEdges) {
      shape.classList.toggle("touched", edge.source === chosen || edge.target === chosen);
    }
    for (const { node, shape } of drawnNodes) {
      shape.classList.toggle("touched", touched.has(node));
      shape.classList.toggle("chosen", node === chosen);
      shape.setAttribute("aria-pressed", String(node === chosen));
    }
    // One stop of the tab key: the chosen node, or the first.
    const stop = drawnNodes.find(({ node }) => node === chosen) || drawnNodes[0];
    for (const item of drawnNodes) item.shape.setAttribute("tabindex", item === stop ? "0" : "-1");
    const labelled = drawnEdges.filter(({ edge }) =>
      chosen ? edge.source === chosen || edge.target === chosen : drawnEdges.length <= LABELS_DRAWN);
    labels.replaceChildren(...drawLabels(labelled.slice(0, LABELS_DRAWN), drawnNodes));
  }

  function drawNode(node) {
    const shape = drawn("g", {
      class: `node kind-${node.kind}`, role: "button", tabindex: "-1", "data-index": node.index,
      transform: `translate(${node.x} ${node.y})`, "aria-label": `${NODE_WORDS[node.kind]} ${nodeWords(node)}`,
    },
      drawn("title", {}, nodeWords(node)),
      drawn("rect", { width: NODE.width, height: NODE.height, rx: node.kind === "any" ? 20 : 7 }),
      drawn("text", { class: "caption", x: 11, y: 15 }, NODE_WORDS[node.kind]),
      drawn("text", { class: "size", x: NODE.width - 11, y: 15 }, node.count === null ? "" : counted(node.count, "device")),
      drawn("text", { x: 11, y: 32 }, fitting(nameOf(node), 13, NODE.width - 22)));
    shape.addEventListener("click", () => choose(node));
    shape.addEventListener("keydown", (event) => walk(event, node));
    shape.addEventListener("focus", () => { if (shape.matches(":focus-visible")) reveal(node); });
    return { node, shape };
  }

  function walk(event, node) {
    if (event.key === "Enter" || event.key === " ") {
      choose(node);
    } else {
      const next = nextNode(drawnNodes, node, event.key);
      if (!next) return;
      for (const item of drawnNodes) item.shape.setAttribute("tabindex", item === next ? "0" : "-1");
      next.shape.focus();
    }
    event.preventDefault();
  }

  function place() {
    world.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.scale})`);
  }

  // Shows everything, but not smaller than can be read: then from the upper left corner.
  function fit(least = SCALE.least) {
    const { width, height } = canvas.getBoundingClientRect();
    const whole = Math.min(width / (layout.width + 2 * MARGIN), height / (layout.height + 60), 1.2);
    view.scale = Math.max(whole, least);
    view.x = Math.max(30, (width - layout.width * view.scale) / 2);
    view.y = Math.max(30, (height - layout.height * view.scale) / 2);
    place();
  }

  function zoom(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
    const scale = Math.min(SCALE.most, Math.max(SCALE.least, view.scale * factor));
    view.x = x - (x - view.x) * scale / view.scale;
    view.y = y - (y - view.y) * scale / view.scale;
    view.scale = scale;
    place();
  }

  function reveal(node) {
    const { clientWidth: width, clientHeight: height } = canvas;
    const x = view.x + (node.x + NODE.width / 2) * view.scale, y = view.y + (node.y + NODE.height / 2) * view.scale;
    if (x < 90 || x > width - 90) view.x += width / 2 - x;
    if (y < 40 || y > height - 40) view.y += height / 2 - y;
    place();
  }

  letMove(canvas, view, place, zoom, () => choose(null));
  byId("zoom-in").addEventListener("click", () => zoom(1.3));
  byId("zoom-out").addEventListener("click", () => zoom(1 / 1.3));
  byId("zoom-fit").addEventListener("click", () => fit());
  canvas.addEventListener("keydown", (event) => {
    const action = { "+": () => zoom(1.3), "=": () => zoom(1.3), "-": () => zoom(1 / 1.3), 0: () => fit() }[event.key];
    if (action && !event.ctrlKey && !event.metaKey) { action(); event.preventDefault(); }
  });
  return { draw, mark, reveal };
}

// Leaves out what would make the drawing slow; the table has all of it.
function drawable(shown) {
  const nodes = shown.nodes.slice(0, NODES_DRAWN), kept = new Set(nodes);
  const edges = shown.edges.filter((edge) => kept.has(edge.source) && kept.has(edge.target)).slice(0, EDGES_DRAWN);
  return { nodes, edges };
}

function tellLimits(shown, part) {
  const edges = shown.edges.length - part.edges.length, nodes = shown.nodes.length - part.nodes.length;
  const note = byId("picture-note");
  const left = edges + nodes ? `Not drawn: ${counted(nodes, "node")} and ${counted(edges, "edge")}. ` : "";
  note.hidden = !left && part.edges.length <= LABELS_DRAWN;
  note.textContent = note.hidden ? "" : `${left}Choose a node, search or filter to read the labels; the table has everything.`;
}
