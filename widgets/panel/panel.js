// Native, labelled inputs for what Python describes. A value goes to Python as a
// message; a secret goes with the press of its button and leaves the page at once.
let count = 0;
const DEBOUNCE = 200;
const PATIENCE = 500;

// JupyterLab takes arrow and letter keys of focused elements unless each one says no.
const TYPED = new Set(["input", "select", "button"]);

function node(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  if (TYPED.has(tag)) made.setAttribute("data-lm-suppress-shortcuts", "true");
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// What is typed goes after a pause; a press sends what still waits before itself.
function later(wait, act) {
  let timer = null;
  const now = () => {
    if (timer === null) return;
    clearTimeout(timer);
    timer = null;
    act();
  };
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(now, wait);
  };
  return { soon, now };
}

const written = (value, unit) =>
  unit ? `${String(Number((100 * value).toFixed(2))).replace("-", "−")} ${unit}` : String(value);

const grouped = (value) =>
  value === null || value === undefined
    ? ""
    : Number(value).toLocaleString("en-IN", { maximumFractionDigits: 6 });

const labelled = (control, input, ...more) =>
  node("label", { className: `hk-${control.kind}` }, node("span", {}, control.label), input, ...more);

// A rail filled from its zero, and beside it the value, to read or to type.
function slider(limits, label, unit, send) {
  const input = node("input", { type: "range", "aria-label": label, ...limits });
  const out = node("input", { type: "text", inputMode: "decimal", autocomplete: "off" });
  out.setAttribute("aria-label", `${label}, typed`);
  const { min, max } = limits;
  const place = (value) => Math.min(1, Math.max(0, (value - min) / (max - min)));
  input.style.setProperty("--zero", place(0));
  const show = (value) => {
    input.value = String(value ?? 0);
    input.style.setProperty("--at", place(Number(value ?? 0)));
    const text = written(Number(value ?? 0), unit); // the slider itself snaps
    if (out !== document.activeElement || out.value === out.dataset.sent) {
      out.value = out.dataset.sent = text; // not typed: a later value may replace it
    }
    input.setAttribute("aria-valuetext", text);
  };
  input.addEventListener("input", () => {
    show(input.value);
    send(Number(input.value));
  });
  const read = () => {
    out.dataset.sent = out.value;
    const number = Number(out.value.replace("−", "-").replace(/[^0-9.eE+-]/g, "") || NaN);
    send(Number.isFinite(number) ? Number((number / 100).toFixed(6)) : out.value);
  };
  out.addEventListener("change", read);
  out.addEventListener("keydown", (event) => event.key === "Enter" && read());
  out.addEventListener("focus", () => out.select());
  return { input, out, show };
}

const KINDS = {
  select(control, send) {
    const input = node(
      "select",
      { onchange: () => send(input.value) },
      ...control.options.map(([value, label]) => node("option", { value, textContent: label })),
    );
    return { root: labelled(control, input), input, show: (v) => (input.value = v ?? "") };
  },
  text(control, send) {
    const number = control.kind === "number";
    const input = node("input", {
      type: "text",
      inputMode: number ? "decimal" : "text",
      role: number ? "spinbutton" : undefined,
      maxLength: control.maxlength,
      placeholder: control.placeholder,
      autocomplete: "off",
      spellcheck: false,
    });
    // A fraction in Python, hundredths on the page.
    const sign = control.percent ? "%" : "";
    const typed = later(DEBOUNCE, () =>
      send(sign && !input.value.includes(sign) ? input.value + sign : input.value),
    );
    input.addEventListener("input", typed.soon);
    input.addEventListener("change", typed.now);
    input.addEventListener("keydown", (event) => {
      const up = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      if (event.key === "Enter") typed.now();
      if (!number || !up) return;
      const at = Number(input.value.replaceAll(/[,₹%\s]/g, "")) || 0;
      input.value = grouped(at + up * (control.step ?? 1));
      typed.soon();
      event.preventDefault();
    });
    const show = (value) => {
      const v = sign && value ? Number((100 * value).toFixed(6)) : value;
      if (number) input.setAttribute("aria-valuenow", String(v ?? ""));
      if (input !== document.activeElement) input.value = number ? grouped(v) : (v ?? "");
    };
    return { root: labelled(control, input), input, show, flush: typed.now };
  },
  secret(control) {
    const input = node("input", { type: "password", autocomplete: "off", name: "" });
    return { root: labelled(control, input), input, show() {} };
  },
  check(control, send) {
    const input = node("input", { type: "checkbox", onchange: () => send(input.checked) });
    const root = node("label", { className: "hk-check" }, input, node("span", {}, control.label));
    return { root, input, show: (v) => (input.checked = Boolean(v)) };
  },
  button(control, send, press) {
    const input = node("button", {
      type: "button",
      className: control.primary ? "hk-primary" : "",
      textContent: control.label,
      onclick: press,
    });
    return { root: input, input, show() {} };
  },
  chips(control, send) {
    let chosen = [];
    const toggle = (value) =>
      send(chosen.includes(value) ? chosen.filter((v) => v !== value) : [...chosen, value]);
    const buttons = control.options.map(([value, label]) =>
      node("button", { type: "button", textContent: label, value, onclick: () => toggle(value) }),
    );
    const root = node(
      "div",
      { className: "hk-chips", role: "group", "aria-label": control.label },
      node("span", {}, control.label),
      ...buttons,
    );
    const show = (values) => {
      chosen = values ?? [];
      for (const b of buttons) b.setAttribute("aria-pressed", String(chosen.includes(b.value)));
    };
    return { root, input: buttons[0] ?? root, show };
  },
  cards(control, send) {
    const name = `hk-cards-${(count += 1)}`;
    const cards = control.options.map(([value, label]) => {
      const [head, ...rest] = label.split(": ");
      const input = node("input", { type: "radio", name, value, onchange: () => send(value) });
      const small = node("small", { textContent: rest.join(": ") });
      return [input, node("label", {}, input, node("b", { textContent: head }), small)];
    });
    const root = node(
      "div",
      { className: "hk-cards", role: "radiogroup", "aria-label": control.label },
      ...cards.map(([, card]) => card),
    );
    const show = (v) => cards.forEach(([input]) => (input.checked = input.value === v));
    return { root, input: root, show };
  },
  grid(control, send) {
    let all = {};
    const cells = [];
    const parents = new Map(control.rows.map(([row, , parent]) => [row, parent]));
    // What a row has not set it takes from the wider row.
    const followed = (row, column) => {
      const own = all[row]?.[column];
      const parent = parents.get(row);
      return own || !parent ? (own ?? 0) : followed(parent, column);
    };
    const rows = control.rows.map(([row, label, , small]) => {
      const made = control.columns.map(([column, head, min, max, step, unit]) => {
        const set = (value) => {
          const next = { ...all, [row]: { ...all[row], [column]: value } };
          if (typeof value === "number") all = next;
          send(next);
        };
        const cell = slider({ min, max, step }, `${label}: ${head}`, unit, set);
        cells.push([row, column, cell]);
        return node("td", {}, cell.input, cell.out);
      });
      const name = node("th", { scope: "row" }, label);
      if (small) name.append(node("small", { textContent: small }));
      return node("tr", {}, name, ...made);
    });
    const heads = control.columns.map(([, head]) => node("th", { scope: "col", textContent: head }));
    // Figures beside the sliders, and a row of what has no sliders of its own.
    const figures = new Map();
    const places = [...control.rows.map(([row]) => row), control.rest].filter(Boolean);
    if (control.beside) {
      heads.push(...control.beside.map((head) => node("th", { scope: "col", className: "hk-fig", textContent: head })));
      heads.push(node("td", { className: "hk-figbar" }));
      if (control.rest) {
        const blank = control.columns.map(() => node("td"));
        rows.push(node("tr", {}, node("th", { scope: "row" }), ...blank));
      }
      rows.forEach((line, i) => {
        const cells = [node("td", { className: "hk-fig" }), node("td", { className: "hk-fig" })];
        const bar = node("td", { className: "hk-figbar", "aria-hidden": "true" }, node("i"));
        line.append(...cells, bar);
        figures.set(places[i], [line, ...cells, bar.firstChild]);
      });
    }
    const tell = (beside) => {
      for (const [row, [line, value, effect, bar]] of figures) {
        const { label, small, ...said } = beside[row] ?? {};
        if (row === control.rest) {
          line.hidden = !label;
          line.firstChild.replaceChildren(label ?? "", node("small", { textContent: small ?? "" }));
        }
        value.replaceChildren(said.why ? dash(said.why) : (said.value ?? ""));
        effect.replaceChildren(said.why ? dash(said.why) : (said.effect ?? ""));
        effect.className = `hk-fig hk-${said.way || "flat"}`;
        bar.className = `hk-${said.way || "flat"}`;
        bar.style.setProperty("--part", said.part ?? 0);
      }
    };
    const head = node("tr", {}, node("th", { scope: "col", textContent: control.first }), ...heads);
    const root = node(
      "table",
      { className: "hk-grid" },
      node("caption", { textContent: control.label }),
      node("thead", {}, head),
      node("tbody", {}, ...rows),
    );
    const show = (values) => {
      all = values ?? {};
      for (const [row, column, cell] of cells) {
        const own = Boolean(all[row]?.[column]) || !parents.get(row);
        cell.input.parentElement.classList.toggle("hk-follows", !own);
        if (cell.input !== document.activeElement) cell.show(followed(row, column));
      }
    };
    return { root, input: root, show, tell };
  },
};
KINDS.number = KINDS.text;

function render({ model, el }) {
  el.classList.add("hk-panel");
  const title = node("p", { className: "hk-title", role: "heading", "aria-level": 2 });
  const form = node("div", { className: "hk-form" });
  const busy = node("span");
  const bar = node("progress", { max: 1, "aria-label": "Progress" });
  const doing = node("p", { className: "hk-busy", role: "status" }, bar, busy);
  const problem = node("p", { className: "hk-notice hk-bad", role: "alert" });
  const lost = node("p", { className: "hk-notice hk-warn hk-lost", role: "alert" });
  lost.hidden = true;
  el.replaceChildren(title, lost, form, doing, problem);
  const shown = new Map();

  // A slider sends its newest value when Python has answered the one before.
  let sent = 0;
  let next = null;
  function slide(message) {
    if (Date.now() - sent < PATIENCE) {
      next = message;
      return;
    }
    sent = Date.now();
    model.send(message);
    setTimeout(answered, PATIENCE, sent);
  }
  function answered(which = sent) {
    if (which !== sent) return;
    sent = 0;
    const message = next;
    next = null;
    if (message) slide(message);
  }

  function flush() {
    for (const { flush: now } of shown.values()) now?.();
    if (!next) return;
    const message = next;
    next = null;
    model.send(message);
  }

  function press(control) {
    flush();
    const secrets = {};
    for (const name of control.sends ?? []) {
      const { input } = shown.get(name);
      secrets[name] = input.value;
      input.value = "";
    }
    model.send({ type: "press", name: control.name, secrets });
  }

  function build(control) {
    const send = (value) => {
      const message = { type: "set", name: control.name, value };
      if (control.kind === "grid") slide(message);
      else model.send(message);
    };
    const made = KINDS[control.kind](control, send, () => press(control));
    made.control = control;
    made.note = node("small", { className: "hk-problem", role: "alert" });
    made.box = node("div", { className: `hk-box hk-box-${control.kind}` }, made.root, made.note);
    if (control.help) made.box.append(node("small", { textContent: control.help }));
    const inputs = made.box.querySelectorAll("input, select, button");
    inputs.forEach((input, i) => {
      input.disabled = Boolean(control.disabled);
      input.setAttribute("data-key", `${control.name}/${i}`);
    });
    shown.set(control.name, made);
    return made.box;
  }

  function draw() {
    const groups = new Map();
    for (const control of model.get("controls")) {
      const group = control.group ?? (control.kind === "button" ? "\n" : "");
      if (!groups.has(group)) {
        const row = node("div", { className: "hk-row" });
        const frame = group.trim()
          ? node("fieldset", {}, node("legend", { textContent: group }), row)
          : row;
        form.append(frame);
        groups.set(group, row);
      }
      groups.get(group).append(build(control));
    }
    fill();
    tell();
    complain();
  }

  // Only what differs is changed, in place: nobody loses a click or what they type.
  const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
  function update() {
    for (const control of model.get("controls")) {
      const made = shown.get(control.name);
      const { options, label, disabled, hidden, ...rest } = control;
      const { options: o, label: l, disabled: d, hidden: h, ...old } = made.control;
      const rebuilt = !same(rest, old) || (["chips", "cards"].includes(control.kind) && !same(options, o));
      if (rebuilt) {
        const focused = made.box.contains(document.activeElement) && document.activeElement;
        const mark = focused && focused.getAttribute("data-key");
        const before = made.box;
        before.replaceWith(build(control));
        if (mark) form.querySelector(`[data-key="${CSS.escape(mark)}"]`)?.focus();
        continue;
      }
      made.control = control;
      if (control.kind === "button" && label !== l) made.input.textContent = label;
      if (control.kind === "select" && !same(options, o)) {
        made.input.replaceChildren(
          ...options.map(([value, text]) => node("option", { value, textContent: text })),
        );
      }
      if (disabled !== d) {
        for (const input of made.box.querySelectorAll("input, select, button")) {
          input.disabled = Boolean(disabled);
        }
      }
    }
    fill();
    tell();
    complain();
  }

  function fill() {
    const values = model.get("values");
    const problems = model.get("problems");
    for (const { control, show, box } of shown.values()) {
      if (control.name in values && !problems[control.name]) show(values[control.name]);
      const when = Object.entries(control.when ?? {});
      box.hidden = control.hidden || !when.every(([name, value]) => [value].flat().includes(values[name]));
    }
    for (const frame of form.querySelectorAll("fieldset")) {
      frame.hidden = [...frame.querySelectorAll(".hk-box")].every((box) => box.hidden);
    }
  }

  function tell() {
    for (const { tell: now } of shown.values()) now?.(model.get("beside"));
  }

  function complain() {
    const problems = model.get("problems");
    for (const [name, { note, input }] of shown) {
      note.textContent = problems[name] ?? "";
      note.id ||= `hk-problem-${(count += 1)}`;
      const wrong = Boolean(problems[name]);
      if (wrong) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
      if (wrong) input.setAttribute("aria-describedby", note.id);
      else input.removeAttribute("aria-describedby");
    }
  }

  function report() {
    title.textContent = model.get("title");
    title.hidden = !model.get("title");
    busy.textContent = model.get("busy");
    bar.hidden = !model.get("busy");
    if (model.get("progress") === null) bar.removeAttribute("value");
    else bar.value = model.get("progress");
    problem.textContent = model.get("error");
    problem.hidden = !model.get("error");
  }

  model.on("change:controls", update);
  model.on("change:values", () => {
    answered();
    fill();
  });
  model.on("change:beside", tell);
  model.on("change:problems", () => {
    complain();
    fill();
  });
  for (const name of ["title", "busy", "progress", "error"]) {
    model.on(`change:${name}`, report); // one at a time, as every host knows
  }
  draw();
  report();
  if (model.get("lost")) return watch(model, el, lost, model.get("lost"));
}

export default { render };
