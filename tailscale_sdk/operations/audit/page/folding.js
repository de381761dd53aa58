// Lists that are made when they are looked at: groups are filled when opened, rows come in pages.

const unfilled = new WeakMap();

// A group that opens; its content is made the first time it does.
function folding(attributes, summary, fill) {
  const details = element("details", attributes, element("summary", {}, ...summary));
  unfilled.set(details, fill);
  details.addEventListener("toggle", () => { if (details.open) complete(details); });
  return details;
}

function complete(details) {
  const fill = unfilled.get(details);
  if (!fill) return;
  unfilled.delete(details);
  details.append(...fill());
}

function unfold(details) {
  complete(details);
  details.open = true;
}

// Rows in pages, with a button that lists the next; the focus goes to the first row it brought.
function paged(list, items, makeRow, size) {
  let shown = 0;
  const more = element("button", { type: "button", class: "more" });

  function extend() {
    const next = items.slice(shown, shown + size).map(makeRow), rest = items.length - shown - next.length;
    list.append(...next);
    shown += next.length;
    more.hidden = rest === 0;
    more.textContent = `List ${grouped(Math.min(rest, size))} more of ${grouped(rest)}`;
    return next[0];
  }

  more.addEventListener("click", () => {
    const first = extend();
    (first.querySelector("summary") ?? first).focus();
  });
  extend();
  return [list, more];
}

// Opens what a printer should see, at most so many groups and findings, and returns what it opened.
function unfoldAll(root, most) {
  const opened = [];
  const visit = (inside) => {
    for (const more of inside.querySelectorAll(".more")) while (!more.hidden && opened.length < most) more.click();
    for (const details of inside.querySelectorAll("details")) {
      if (opened.length >= most) return;
      if (details.open) continue;
      unfold(details);
      opened.push(details);
      visit(details);
    }
  };
  visit(root);
  return opened;
}
