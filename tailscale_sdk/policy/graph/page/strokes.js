// The lines of the picture and how a hand moves it.

function arrowhead(tone) {
  const marker = { id: `arrow-${tone}`, viewBox: "0 0 8 8", refX: 7.5, refY: 4, orient: "auto", markerUnits: "userSpaceOnUse" };
  return drawn("marker", { ...marker, markerWidth: 9, markerHeight: 9 },
    drawn("path", { class: `arrow tone-${tone}`, d: "M0 0 8 4 0 8z" }));
}

// Edges between the same two nodes run side by side: each gets its distance from the middle.
function lanesOf(edges) {
  const together = new Map();
  for (const edge of edges) {
    const key = [edge.source.index, edge.target.index].sort((one, other) => one - other).join(" ");
    if (!together.has(key)) together.set(key, []);
    together.get(key).push(edge);
  }
  const lanes = new Map();
  for (const group of together.values()) {
    const width = Math.min(12, (NODE.height - 8) / group.length);
    group.forEach((edge, at) => lanes.set(edge, (at - (group.length - 1) / 2) * width));
  }
  return lanes;
}

function drawEdge(edge, lane) {
  const tone = toneOf(edge);
  const curve = curveOf(edge.source, edge.target, lane);
  const shape = drawn("path", {
    class: `edge ${tone}${edge.certain ? "" : " uncertain"}`, "data-index": edge.index,
    d: `M${curve[0]} C${curve[1]} ${curve[2]} ${curve[3]}`, "marker-end": `url(#arrow-${tone.slice(5)})`,
  }, drawn("title", {}, `${nodeWords(edge.source)} \u2192 ${nodeWords(edge.target)}: ${edgeWords(edge)}\n${edge.rules.join("\n")}`));
  return { edge, shape, curve };
}

// Four points of a curve from side to side; within a column and to itself it leaves and returns on the right.
function curveOf(source, target, lane) {
  const right = (node) => node.x + NODE.width, middle = (node) => node.y + NODE.height / 2 + lane;
  if (source === target) {
    const x = right(source), y = source.y + NODE.height / 2, far = x + 46 + Math.abs(lane) * 2;
    return [[x, y - 12 + lane / 2], [far, y - 26], [far, y + 26], [x, y + 12 + lane / 2]];
  }
  if (source.x === target.x) {
    const bend = right(source) + 30 + Math.min(120, Math.abs(source.y - target.y) / 4) + lane;
    return [[right(source), middle(source)], [bend, middle(source)], [bend, middle(target)], [right(target), middle(target)]];
  }
  const forward = target.x > source.x;
  const from = forward ? right(source) : source.x, to = forward ? target.x : right(target);
  const half = (to - from) / 2;
  return [[from, middle(source)], [from + half, middle(source)], [to - half, middle(target)], [to, middle(target)]];
}

const LABEL = { size: 11, width: 190, height: 14, places: [0.5, 0.4, 0.6, 0.3, 0.7, 0.22, 0.78] };

// Puts each label on its edge where no node and no other label is, or in the middle where there is no such place.
function drawLabels(items, nodes) {
  const taken = nodes.map(({ node }) => [node.x, node.y, node.x + NODE.width, node.y + NODE.height]);
  return items.map(({ edge, curve }) => {
    const text = fitting(edgeWords(edge), LABEL.size, LABEL.width), half = widthOf(text, LABEL.size) / 2 + 3;
    const boxes = LABEL.places.map((part) => {
      const [x, y] = pointOn(curve, part);
      return [x - half, y - LABEL.height / 2, x + half, y + LABEL.height / 2];
    });
    const box = boxes.find((one) => !taken.some((other) => overlap(one, other))) || boxes[0];
    taken.push(box);
    return drawn("text", { class: `edge-label ${toneOf(edge)}`, x: box[0] + half, y: box[3] - 3 }, text);
  });
}

function pointOn(curve, part) {
  const rest = 1 - part;
  const weights = [rest ** 3, 3 * rest ** 2 * part, 3 * rest * part ** 2, part ** 3];
  return [0, 1].map((axis) => weights.reduce((sum, weight, at) => sum + weight * curve[at][axis], 0));
}

function overlap(one, other) {
  return one[0] < other[2] && other[0] < one[2] && one[1] < other[3] && other[1] < one[3];
}

// Finds the nearest node in the direction of an arrow key; the other axis weighs more.
function nextNode(items, from, key) {
  const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  if (!direction) return null;
  let best = null, least = Infinity;
  for (const item of items) {
    const x = item.node.x - from.x, y = item.node.y - from.y;
    const ahead = x * direction[0] + y * direction[1], aside = Math.abs(x * direction[1]) + Math.abs(y * direction[0]);
    if (ahead > 0 && ahead + 3 * aside < least) {
      least = ahead + 3 * aside;
      best = item;
    }
  }
  return best;
}

// Lets the pointer move the picture and the wheel zoom it; a press on nothing that moves nothing leaves the node.
function letMove(canvas, view, place, zoom, leave) {
  let press = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button === 0) press = { x: event.clientX, y: event.clientY, left: view.x, top: view.y, moved: false };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!press || !event.buttons) return;
    const x = event.clientX - press.x, y = event.clientY - press.y;
    if (!press.moved && Math.hypot(x, y) < 5) return;
    if (!press.moved) canvas.setPointerCapture(event.pointerId);
    press.moved = true;
    canvas.classList.add("dragged");
    view.x = press.left + x;
    view.y = press.top + y;
    place();
  });
  canvas.addEventListener("click", (event) => {
    const moved = press && press.moved;
    press = null;
    canvas.classList.remove("dragged");
    if (!moved && !event.target.closest(".node")) leave();
  });
  canvas.addEventListener("wheel", (event) => {
    const { left, top } = canvas.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY / 500), event.clientX - left, event.clientY - top);
    event.preventDefault();
  }, { passive: false });
}
