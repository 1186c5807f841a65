// The sandbox's own front page: what a partner's page does, in full.
const byId = (id) => document.getElementById(id);
const pretty = (value) => JSON.stringify(value, null, 2);

async function ask(path, body) {
  const reply = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body ?? {}),
  });
  const said = await reply.json();
  if (!reply.ok) throw new Error(said.error ?? reply.statusText);
  return said;
}

async function run() {
  const { gateway, smallcaseAuthToken, transactionId } = await ask("/_sandbox/try");
  const sdk = new window.scDK({ gateway, smallcaseAuthToken });
  await sdk.init({ smallcaseAuthToken }); // the second time it is still the first SDK
  try {
    return { transactionId, result: await sdk.triggerTransaction({ transactionId }) };
  } catch (error) {
    return { transactionId, result: error };
  }
}

function show({ said, page, answer }, result) {
  byId("said").textContent = said;
  byId("said").classList.toggle("problem", !answer);
  byId("result").textContent = pretty(result);
  byId("wire").hidden = false;
  if (!answer) return; // what was imported before stays, under the name of its owner
  byId("outcome").innerHTML = page; // written and escaped by the sandbox
  byId("answer").textContent = pretty(answer);
  byId("answer").closest("details").hidden = false;
}

byId("import").addEventListener("click", async (event) => {
  const button = event.currentTarget;
  button.disabled = true;
  byId("said").classList.remove("problem");
  byId("said").textContent = "Waiting for the import: it goes on in a window of its own.";
  try {
    const { transactionId, result } = await run();
    const { message } = result;
    show(await ask("/_sandbox/try/outcome", { transactionId, message }), result);
  } catch (error) {
    byId("said").textContent = error.message;
    byId("said").classList.add("problem");
  } finally {
    button.disabled = false;
    button.focus();
  }
});
