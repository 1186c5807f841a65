// The inspector's script: reads the sandbox's controls, writes everything as text.
const byId = (id) => document.getElementById(id);
const state = { show: "webhooks", chosen: null, rows: [] };
const people = new Map(); // smallcaseAuthId → persona

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  const reply = await fetch(`/_sandbox/${path}`, options);
  const said = await reply.json();
  if (!reply.ok) throw new Error(said.error ?? reply.statusText);
  return said;
}

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

// "2026-01-05T04:45:00.000Z" as it is read in India: 5 Jan 2026, 10:15:00 IST
function inIndia(instant) {
  const there = new Date(Date.parse(instant) + 5.5 * 3600e3);
  const day = `${there.getUTCDate()} ${MONTHS[there.getUTCMonth()]} ${there.getUTCFullYear()}`;
  return `${day}, ${there.toISOString().slice(11, 19)} IST`;
}

function make(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

const idOf = (row) => row.id ?? row.transactionId;
const isBad = (row) =>
  ["failed", "ERRORED", "EXPIRED", "CANCELLED", "missing"].includes(row.status) ||
  Number(row.status) >= 400;

function headline(row) {
  if (state.show === "requests") return `${row.method} ${row.path}`;
  if (state.show === "webhooks") {
    const account = row.body.smallcaseAuthId ?? "";
    return account ? `${row.kind}, ${people.get(account) ?? account}` : row.kind;
  }
  return `${row.intent} ${row.transactionId}`;
}

function remark(row) {
  if (state.show === "requests") return `${row.status} · ${row.milliseconds} ms`;
  if (state.show === "webhooks") {
    const forged = row.forged ? "forged · " : "";
    const answer = row.answers.length ? ` · ${row.answers.at(-1)}` : "";
    return `${forged}${row.status}${answer}`;
  }
  return row.status;
}

function drawList() {
  const list = byId("list");
  const focused = document.activeElement?.dataset?.row;
  list.replaceChildren();
  for (const row of [...state.rows].reverse()) {
    const button = make("button", undefined, { type: "button", "data-row": idOf(row) });
    button.setAttribute("aria-current", String(idOf(row) === state.chosen));
    button.append(make("span", headline(row)));
    button.append(make("span", remark(row), { class: isBad(row) ? "problem" : "help" }));
    button.addEventListener("click", () => choose(idOf(row)));
    const item = make("li");
    item.append(button);
    list.append(item);
    if (idOf(row) === focused) button.focus();
  }
  if (!state.rows.length) list.append(make("li", "Nothing yet.", { class: "help" }));
}

function pretty(text) {
  if (typeof text !== "string") return JSON.stringify(text, null, 2);
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function block(title, value) {
  const shown = pretty(value);
  if (!shown || shown === "{}") return [];
  return [make("h3", title), make("pre", shown, { tabindex: "0", "aria-label": title })];
}

async function explain(row) {
  const how = await ask(`webhooks/${row.id}/checksum`);
  const parts = [make("h3", "Checksum")];
  parts.push(
    make(
      "p",
      how.fits
        ? `It fits: ${how.algorithm} of ${how.covers}, keyed with the API secret.`
        : `It does not fit: whoever made it does not know the API secret.`,
      { class: how.fits ? "good" : "problem" },
    ),
  );
  parts.push(
    make(
      "pre",
      ["message", "key", "expected", "sent"]
        .map((name) => `${name}\n  ${how[name]}`)
        .join("\n"),
      { tabindex: "0", "aria-label": "How the checksum is made" },
    ),
  );
  parts.push(make("p", "It covers no holdings: fetch them again to be sure.", { class: "help" }));
  return parts;
}

async function choose(id) {
  state.chosen = id;
  const row = state.rows.find((one) => idOf(one) === id);
  const details = byId("details");
  if (!row) return;
  const parts = [make("h2", headline(row)), make("p", `${id} · ${remark(row)}`)];
  if (state.show === "requests") {
    parts.push(make("p", inIndia(row.at) + (row.query ? ` · ?${row.query}` : "")));
    parts.push(...block("Request headers", row.requestHeaders));
    parts.push(...block("Request body", row.requestBody));
    parts.push(...block("Answer headers", row.responseHeaders));
    parts.push(...block("Answer body", row.responseBody));
  } else if (state.show === "webhooks") {
    const button = make("button", "Send again", { type: "button" });
    button.addEventListener("click", () =>
      act(`${id} sent again`, () => ask("resend", { id })));
    parts.push(make("p", `To ${row.url ?? "nobody"}, answers: ${row.answers.join(", ") || "none"}`));
    parts.push(button, ...(await explain(row)), ...block("Body", row.body));
  } else {
    parts.push(...block("Details", row));
  }
  details.replaceChildren(...parts);
  drawList();
}

async function refresh() {
  const [clock, rows] = await Promise.all([ask("clock"), ask(state.show)]);
  byId("now").textContent =
    inIndia(clock.now) +
    (clock.speed === 1 ? ", running" : "") +
    (clock.speed > 0 && clock.speed !== 1 ? `, ${clock.speed} times as fast` : "") +
    (clock.speed ? "" : ", standing still");
  if (JSON.stringify(rows) === JSON.stringify(state.rows)) return;
  state.rows = rows;
  drawList();
}

async function act(words, doing) {
  const said = byId("said");
  try {
    await doing();
    said.textContent = words;
    said.className = "good";
    await refresh();
    if (state.chosen) await choose(state.chosen);
  } catch (error) {
    said.textContent = error.message;
    said.className = "problem";
  }
}

for (const button of document.querySelectorAll("[data-advance]")) {
  const advance = button.dataset.advance;
  button.addEventListener("click", () =>
    act(`${advance} passed`, () => ask("clock", { advance })));
}
for (const button of document.querySelectorAll("[data-show]")) {
  button.addEventListener("click", () => {
    for (const other of document.querySelectorAll("[data-show]")) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    state.show = button.dataset.show;
    state.rows = [];
    state.chosen = null;
    drawList();
    act("", async () => {});
  });
}
byId("reset").addEventListener("click", () =>
  act("everything is as at the start", () => ask("reset", {})));
byId("register").addEventListener("submit", (event) => {
  event.preventDefault();
  const url = byId("url").value;
  act(`later events go to ${url}`, () => ask("webhook", { url }));
});
byId("fire").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  const body = { event: form.get("event"), persona: form.get("persona") };
  if (form.get("late")) body.late = form.get("late");
  for (const name of ["duplicate", "forged", "reorder"]) body[name] = form.has(name);
  if (byId("url").value) body.url = byId("url").value;
  act("fired", () => ask("trigger", body));
});
byId("list").addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const buttons = [...byId("list").querySelectorAll("button")];
  buttons[buttons.indexOf(document.activeElement) + step]?.focus();
});

for (const one of await ask("personas")) {
  people.set(one.smallcaseAuthId, one.key);
  byId("persona").append(make("option", `${one.key} (${one.broker})`, { value: one.key }));
}
await refresh();
setInterval(() => refresh().catch(() => {}), 1000);
