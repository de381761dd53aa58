const pen = document.createElement("canvas").getContext("2d");

function widthOf(text, size) {
  pen.font = `${size}px system-ui, sans-serif`;
  return pen.measureText(text).width;
}

// Cuts a text to a width by halving: what is cut ends in an ellipsis.
function fitting(text, size, width) {
  if (widthOf(text.slice(0, 500), size) <= width && text.length <= 500) return text;
  const characters = Array.from(text.slice(0, 500));
  let fits = 0, tooMany = characters.length;
  while (tooMany - fits > 1) {
    const half = (fits + tooMany) >> 1;
    if (widthOf(`${characters.slice(0, half).join("")}\u2026`, size) <= width) fits = half;
    else tooMany = half;
  }
  return `${characters.slice(0, fits).join("")}\u2026`;
}

// A button with the name of a node: it leads to the node's edges.
function nameButton(node, choose) {
  const button = element("button", { type: "button", class: "name", dir: "auto" }, nodeWords(node));
  button.addEventListener("click", () => choose(node, true));
  return button;
}

function changeMark(edge) {
  const words = `${SIGNS[edge.change]} ${CHANGE_WORDS[edge.change]}`.trim();
  return element("span", { class: `mark ${toneOf(edge)}` }, words);
}

function rulesOf(edge) {
  return edge.rules.map((rule) => element("span", { class: "rule" }, rule));
}
