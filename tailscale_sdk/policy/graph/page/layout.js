// Places nodes in layers, left to right: who reaches stands left of what is reached, as far as cycles allow.

const NODE = { width: 200, height: 42 };
const GAP = { layer: 190, column: 28, row: 16 };
const SWEEPS = 4;

// Takes the number of nodes and pairs of their indices; gives the place of each, and the size of all.
function layoutOf(count, pairs) {
  const { outgoing, incoming } = withoutCycles(count, pairs);
  const layers = layersOf(count, outgoing, incoming);
  uncross(count, layers, outgoing, incoming);
  return placesOf(count, layers);
}

// Turns around the edges that lead back to where a walk came from: what is left has no cycle.
function withoutCycles(count, pairs) {
  const targets = Array.from({ length: count }, () => new Set());
  for (const [from, to] of pairs) if (from !== to) targets[from].add(to);
  const outgoing = Array.from({ length: count }, () => new Set());
  const UNSEEN = 0, OPEN = 1, DONE = 2;
  const state = new Uint8Array(count);
  for (let start = 0; start < count; start++) {
    if (state[start] !== UNSEEN) continue;
    state[start] = OPEN;
    const walk = [[start, targets[start].values()]];
    while (walk.length) {
      const [at, rest] = walk[walk.length - 1];
      const { value: next, done } = rest.next();
      if (done) {
        state[at] = DONE;
        walk.pop();
      } else if (state[next] === OPEN) {
        outgoing[next].add(at);
      } else {
        outgoing[at].add(next);
        if (state[next] === UNSEEN) {
          state[next] = OPEN;
          walk.push([next, targets[next].values()]);
        }
      }
    }
  }
  const incoming = Array.from({ length: count }, () => new Set());
  outgoing.forEach((ends, from) => ends.forEach((to) => incoming[to].add(from)));
  return { outgoing, incoming };
}

// Puts each node one layer right of the farthest that reaches it.
function layersOf(count, outgoing, incoming) {
  const layer = new Int32Array(count);
  const waiting = incoming.map((ends) => ends.size);
  const ready = [];
  for (let node = 0; node < count; node++) if (waiting[node] === 0) ready.push(node);
  for (let next = 0; next < ready.length; next++) {
    const node = ready[next];
    for (const end of outgoing[node]) {
      layer[end] = Math.max(layer[end], layer[node] + 1);
      if (--waiting[end] === 0) ready.push(end);
    }
  }
  const layers = [];
  for (let node = 0; node < count; node++) (layers[layer[node]] ||= []).push(node);
  return layers;
}

// Moves nodes near the middle of their neighbours, from both sides in turn: fewer edges cross.
function uncross(count, layers, outgoing, incoming) {
  const place = new Float64Array(count);
  const number = (layer) => layer.forEach((node, row) => { place[node] = (row + 0.5) / layer.length; });
  const settle = (layer, neighbours) => {
    const wanted = new Map();
    for (const node of layer) {
      let sum = 0;
      for (const end of neighbours[node]) sum += place[end];
      wanted.set(node, neighbours[node].size ? sum / neighbours[node].size : place[node]);
    }
    layer.sort((one, other) => wanted.get(one) - wanted.get(other) || one - other);
    number(layer);
  };
  layers.forEach(number);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (let at = 1; at < layers.length; at++) settle(layers[at], incoming);
    for (let at = layers.length - 2; at >= 0; at--) settle(layers[at], outgoing);
  }
}

// Gives each layer a column, or several side by side where it would become too long.
function placesOf(count, layers) {
  const x = new Float64Array(count), y = new Float64Array(count);
  const step = NODE.height + GAP.row;
  const longest = Math.max(14, Math.ceil(Math.sqrt(count) * 1.7));
  const rowsOf = (layer) => Math.ceil(layer.length / Math.ceil(layer.length / longest));
  const height = Math.max(1, ...layers.map(rowsOf)) * step;
  let left = 0;
  for (const layer of layers) {
    const rows = rowsOf(layer);
    layer.forEach((node, at) => {
      x[node] = left + Math.floor(at / rows) * (NODE.width + GAP.column);
      y[node] = (height - rows * step) / 2 + (at % rows) * step;
    });
    left += Math.ceil(layer.length / rows) * (NODE.width + GAP.column) - GAP.column + GAP.layer;
  }
  return { x, y, width: Math.max(NODE.width, left - GAP.layer), height };
}
