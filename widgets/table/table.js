// A table over rows that Python owns: only the page shown is on this side.
// Text reaches the page through textContent alone, so nothing imported is markup.
const DEBOUNCE = 200;
const LONG = 30; // a text of more characters may take several lines

// JupyterLab takes arrow and letter keys of focused elements unless each one says no.
const TYPED = new Set(["input", "select", "button"]);

function node(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  if (TYPED.has(tag)) made.setAttribute("data-lm-suppress-shortcuts", "true");
  for (const [key, value] of Object.entries(props)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function download(name, bytes) {
  const url = URL.createObjectURL(new Blob([bytes], { type: "text/csv" }));
  node("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

async function toClipboard(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = node("textarea", { value: text });
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

// Money made and lost by price: the sign, an arrow and a colour.
function tone(name, text) {
  if (!/(^|_)(pnl|return)$/.test(name) || !/[1-9]/.test(text)) return "";
  return text.startsWith("−") ? " hk-loss" : " hk-gain";
}

const count = (n) => n.toLocaleString("en-IN");

function render({ model, el }) {
  el.classList.add("hk-table");
  const set = (changes) => {
    flush();
    for (const [key, value] of Object.entries(changes)) model.set(key, value);
    model.save_changes();
  };

  let waiting = null;
  // A press first sends the filter that is typed: it acts on the rows of that filter.
  const flush = () => {
    if (waiting === null) return;
    clearTimeout(waiting);
    waiting = null;
    model.set("query", search.value);
    model.save_changes();
  };
  const ask = (type) => {
    flush();
    model.send({ type });
  };
  const search = node("input", {
    type: "search",
    placeholder: "bank  market value > 50 lakh  haircut < 20%",
    value: model.get("query"),
    oninput: () => {
      clearTimeout(waiting);
      waiting = setTimeout(flush, DEBOUNCE);
    },
    onchange: () => flush(),
  });
  const copy = node("button", {
    type: "button",
    onclick: () => ask("copy"),
  });
  const csv = node("button", {
    type: "button",
    onclick: () => ask("csv"),
  });
  const clear = node("button", {
    type: "button",
    textContent: "Clear selection",
    onclick: () => set({ selected: [] }),
  });
  const picks = node("div", { className: "hk-picks", role: "group", "aria-label": "Columns" });
  const pick = node("details", { className: "hk-pick" }, node("summary", {}, "Columns"), picks);
  pick.firstChild.setAttribute("data-lm-suppress-shortcuts", "true");
  pick.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !pick.open) return;
    pick.open = false;
    pick.firstChild.focus();
  });
  function drawPicks() {
    const boxes = model.get("choices").map(({ name, label }) => {
      const box = node("input", { type: "checkbox", value: name, onchange: choose });
      return node("label", {}, box, label);
    });
    picks.replaceChildren(...boxes);
    drawShown();
  }
  function drawShown() {
    const shown = new Set(model.get("shown"));
    for (const box of picks.querySelectorAll("input")) {
      box.checked = shown.has(box.value);
      box.disabled = box.checked && shown.size === 1; // a table keeps one column
    }
  }
  function choose() {
    const on = [...picks.querySelectorAll("input:checked")].map((box) => box.value);
    set({ shown: on });
  }

  const problem = node("p", { className: "hk-error", role: "alert" });
  const lost = node("p", { className: "hk-error hk-lost", role: "alert", hidden: true });
  const said = node("span", { className: "hk-said", role: "status" });
  const caption = node("caption");
  // The roles are written out: where the table is narrow its parts are no longer drawn
  // as a table, and a browser would take them for none.
  const head = node("tr", { role: "row" });
  const top = node("thead", { role: "rowgroup" }, head);
  const body = node("tbody", { role: "rowgroup" });
  const foot = node("tfoot", { role: "rowgroup" });
  const table = node("table", { role: "table" }, caption, top, body, foot);
  const scroller = node(
    "div",
    {
      className: "hk-scroll",
      tabIndex: 0,
      role: "region",
      "data-lm-suppress-shortcuts": "true",
    },
    table,
  );

  const turn = (text, label, to) =>
    node("button", {
      type: "button",
      textContent: text,
      "aria-label": label,
      title: label,
      onclick: () => set({ page: to() }),
    });
  const page = () => model.get("page");
  const last = () => model.get("page_count");
  const turns = [
    turn("«", "First page", () => 1),
    turn("‹", "Previous page", () => page() - 1),
    turn("›", "Next page", () => page() + 1),
    turn("»", "Last page", last),
  ];
  const place = node("span", { className: "hk-place" });
  const size = node(
    "select",
    { onchange: () => set({ page_size: Number(size.value), page: 1 }) },
    ...[10, 25, 50, 100].map((n) => node("option", { value: n, textContent: n })),
  );

  el.replaceChildren(
    node(
      "div",
      { className: "hk-bar" },
      node("label", { className: "hk-search" }, node("span", {}, "Filter"), search),
      clear,
      pick,
      copy,
      csv,
    ),
    lost,
    problem,
    scroller,
    node(
      "div",
      { className: "hk-bar" },
      turns[0],
      turns[1],
      place,
      turns[2],
      turns[3],
      node("label", {}, "Rows ", size),
      said,
    ),
  );

  const all = node("input", {
    type: "checkbox",
    "aria-label": "Select all rows of this page",
    onchange: () => {
      const here = new Set(model.get("row_ids"));
      const others = model.get("selected").filter((id) => !here.has(id));
      set({ selected: all.checked ? [...others, ...here] : others });
    },
  });

  function sortBy(name) {
    const same = model.get("sort_by") === name;
    if (!same) set({ sort_by: name, descending: false });
    else if (!model.get("descending")) set({ descending: true });
    else set({ sort_by: "", descending: false });
  }

  function drawHead() {
    caption.textContent = model.get("caption");
    scroller.setAttribute("aria-label", model.get("caption"));
    head.replaceChildren(
      node("th", { scope: "col", role: "columnheader", className: "hk-tick" }, all),
      ...model.get("columns").map(({ name, label, kind }) =>
        node(
          "th",
          { scope: "col", role: "columnheader", className: `hk-${kind}`, "data-column": name },
          node("button", {
            type: "button",
            textContent: label,
            title: `Sort by ${label}`,
            onclick: () => sortBy(name),
          }),
        ),
      ),
    );
    drawSort();
  }

  function drawSort() {
    const way = model.get("descending") ? "descending" : "ascending";
    for (const th of head.querySelectorAll("[data-column]")) {
      const on = th.dataset.column === model.get("sort_by");
      th.setAttribute("aria-sort", on ? way : "none");
    }
  }

  // A bar beside a weight, and one from the middle beside a gain or loss; what a figure
  // was made from as a chip. A heading that is folded away stands before its value.
  function drawCell(text, { name = "", label = "", kind, bar }, part, why) {
    const unknown = Boolean(why);
    const cell = node("td", {
      role: "cell",
      className: `hk-${kind}${unknown ? " hk-unknown" : ""}${tone(name, text)}`,
      "data-label": label,
    });
    if (!unknown && name.endsWith("_basis")) {
      cell.append(node("span", { className: "hk-basis", textContent: text }));
      return cell;
    }
    const long = kind === "text" && text.length > LONG;
    cell.classList.toggle("hk-long", long);
    cell.append(unknown ? dash(why) : long ? node("span", { textContent: text }) : text);
    if (!bar) return cell;
    const known = typeof part === "number";
    const mark = node("i", { className: "hk-part", "aria-hidden": "true" });
    mark.classList.add(known ? `hk-${bar}` : "hk-nobar");
    mark.classList.toggle("hk-below", known && part < 0);
    mark.style.setProperty("--part", Math.min(1, Math.abs(part ?? 0)));
    cell.append(mark);
    return cell;
  }

  function drawRows() {
    const named = model.get("columns");
    const parts = model.get("parts") ?? [];
    const whys = model.get("whys") ?? [];
    const ids = model.get("row_ids");
    body.replaceChildren(
      ...model.get("rows").map((cells, i) =>
        node(
          "tr",
          { role: "row", "data-row": ids[i] },
          node(
            "td",
            { role: "cell", className: "hk-tick" },
            node("input", {
              type: "checkbox",
              "aria-label": `Select ${cells.find((c) => c !== "–") ?? "row"}`,
              onchange: (event) => tick(ids[i], event.target.checked),
            }),
          ),
          ...cells.map((text, c) => drawCell(text, named[c] ?? {}, parts[i]?.[c], whys[i]?.[c])),
        ),
      ),
    );
    (model.get("names") ?? []).forEach((name, i) => {
      const symbol = body.rows[i]?.cells[1];
      if (name && symbol) symbol.append(node("small", { textContent: name }));
    });
    if (!ids.length) {
      const empty = node("td", { role: "cell", className: "hk-empty", colSpan: named.length + 1 });
      empty.textContent = model.get("error")
        ? "No rows while the filter cannot be read."
        : model.get("total")
          ? "No row matches."
          : "No rows.";
      body.append(node("tr", { role: "row" }, empty));
    }
    const first = (page() - 1) * model.get("page_size") + 1;
    const range = ids.length ? `${count(first)}–${count(first + ids.length - 1)}` : "0";
    const of = model.get("matched") < model.get("total");
    place.textContent = `${range} of ${count(model.get("matched"))}`;
    place.textContent += of ? ` (${count(model.get("total"))} in all)` : "";
    turns[0].disabled = turns[1].disabled = page() <= 1;
    turns[2].disabled = turns[3].disabled = page() >= last();
    size.value = String(model.get("page_size"));
    drawTicks();
  }

  // The sum of all rows that match, whichever page is shown.
  function drawSums() {
    const sums = model.get("sums");
    const named = model.get("columns");
    foot.replaceChildren();
    if (!Object.keys(sums).length) return;
    const cells = named.map(({ name, label, kind }, i) => {
      const [text, cover] = sums[name] ?? ["", ""];
      if (i === 0 && !text) {
        const rows = `${count(model.get("matched"))} match`;
        const title = "Sum of the rows that match";
        return node("th", { scope: "row", role: "rowheader", textContent: rows, title });
      }
      const bare = label.replace(", ₹", ""); // a sum has the sign itself
      const props = { role: "cell", className: `hk-${kind}`, "data-label": bare };
      props.className += text ? tone(name, text) : " hk-blank";
      return node("td", props, text, node("small", { textContent: cover }));
    });
    const first = node("td", { role: "cell", className: "hk-tick" });
    foot.append(node("tr", { role: "row" }, first, ...cells));
  }

  function tick(id, on) {
    const rest = model.get("selected").filter((other) => other !== id);
    set({ selected: on ? [...rest, id] : rest });
  }

  function drawTicks() {
    const chosen = new Set(model.get("selected"));
    const boxes = [...body.querySelectorAll("tr[data-row]")];
    for (const row of boxes) {
      const on = chosen.has(Number(row.dataset.row));
      row.querySelector("input").checked = on;
      row.classList.toggle("hk-on", on);
    }
    all.checked = boxes.length > 0 && boxes.every((r) => r.classList.contains("hk-on"));
    all.indeterminate = !all.checked && chosen.size > 0;
    clear.hidden = chosen.size === 0;
    const rows = (n) => `${count(n)} ${n === 1 ? "row" : "rows"}`;
    copy.textContent = chosen.size ? `Copy ${rows(chosen.size)}` : "Copy page";
    csv.textContent = `Export ${rows(chosen.size || model.get("matched"))} as CSV`;
    csv.disabled = model.get("matched") === 0 && chosen.size === 0;
  }

  // Arrow keys walk the ticks of the rows; Ctrl+C copies when no text is marked.
  table.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && event.target.type === "checkbox") {
      const ticks = [...table.querySelectorAll("input[type=checkbox]")];
      ticks[ticks.indexOf(event.target) + step]?.focus();
      event.preventDefault();
    } else if (event.key === "c" && (event.ctrlKey || event.metaKey)) {
      if (!String(window.getSelection())) ask("copy");
    }
  });

  model.on("msg:custom", async (message, buffers) => {
    if (message.type === "csv") {
      download(message.name, buffers[0]);
      said.textContent = `✓ ${message.name} saved`;
    } else if (message.type === "copy") {
      try {
        await toClipboard(message.text);
        said.textContent = "Copied";
      } catch {
        said.textContent = "The browser did not allow copying";
      }
    }
  });
  const drawError = () => {
    problem.textContent = model.get("error");
    problem.hidden = !model.get("error");
    search.setAttribute("aria-invalid", String(Boolean(model.get("error"))));
  };
  const DRAWN = [
    [drawHead, "columns", "caption"],
    [drawSort, "sort_by", "descending"],
    [drawRows, "rows", "names", "whys", "parts", "matched", "total", "page"],
    [drawPicks, "choices"],
    [drawShown, "shown"],
    [drawSums, "sums", "columns", "matched"],
    [drawTicks, "selected"],
  ];
  for (const [draw, ...names] of DRAWN) {
    // one event at a time: a host other than Jupyter knows no list of them
    for (const name of names) model.on(`change:${name}`, draw);
  }
  model.on("change:error", () => {
    drawError();
    drawRows();
  });
  model.on("change:query", () => {
    if (search !== document.activeElement) search.value = model.get("query");
  });
  drawHead();
  drawRows();
  drawSums();
  drawPicks();
  drawError();
  return watch(model, el, lost, "The rows are of before. Run the cell again.");
}

export default { render };
