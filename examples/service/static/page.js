"use strict";

const status = document.getElementById("status");
const rows = document.getElementById("rows");

async function call(method, path, body) {
  const reply = await fetch(path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return { ok: reply.ok, said: await reply.json() };
}

// Texts become text nodes: nothing that came from outside is read as HTML.
function cell(row, text, number) {
  const made = row.insertCell();
  made.textContent = text ?? "";
  if (number) made.className = "number";
}

async function show() {
  const { ok, said } = await call("GET", "/api/holdings");
  rows.replaceChildren();
  if (!ok) return;
  for (const one of said) {
    const row = rows.insertRow();
    cell(row, one.symbol);
    cell(row, one.isin);
    cell(row, one.owned_quantity, true);
    cell(row, one.average_price, true);
  }
}

// The webhook may come a moment later than the browser: look a few times.
async function waitForRows() {
  for (let tries = 0; tries < 10 && rows.rows.length === 0; tries += 1) {
    await show();
    if (rows.rows.length === 0) await new Promise((done) => setTimeout(done, 700));
  }
}

async function importHoldings() {
  status.textContent = "Waiting for your broker…";
  const { ok, said } = await call("POST", "/api/import");
  if (!ok) {
    status.textContent = said.detail ?? "The import could not begin.";
    return;
  }
  const sdk = new scDK({ gateway: said.gateway, smallcaseAuthToken: said.token });
  let result;
  try {
    result = await sdk.triggerTransaction({ transactionId: said.transactionId });
  } catch (failure) {
    result = { success: false, error: failure.message, errorCode: failure.code };
  }
  const ended = await call("POST", "/api/connected", result);
  status.textContent = ended.said.message;
  if (ended.ok) await waitForRows();
}

async function erase() {
  await call("DELETE", "/api/me");
  location.reload();
}

document.getElementById("import").addEventListener("click", importHoldings);
document.getElementById("erase").addEventListener("click", erase);
show();
