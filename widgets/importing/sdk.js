// Loads the Gateway's browser SDK from a configurable address and triggers one import.
// Token and result travel as messages: they are never state that a notebook saves.
const loading = new Map();
const BEAT = 2000; // how often the kernel is asked while an import waits
const PATIENCE = 5000; // how long it may be silent

function load(url) {
  if (!loading.has(url)) {
    const wait = new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = url;
      script.onload = () => resolve(window.scDK);
      script.onerror = () => {
        loading.delete(url);
        reject({ message: "init_sdk", code: 3004 });
      };
      document.head.append(script);
    });
    loading.set(url, wait);
  }
  return loading.get(url);
}

const plain = (error) => ({
  error: { message: String(error?.message ?? error), code: error?.code ?? null },
});

// Copying a number needs no kernel.
const WITH_KERNEL = "input, select, button:not([data-act=copy])";
const GONE =
  "Not connected: the Python kernel was restarted or has stopped, so nobody waits for " +
  "this import: close the broker's window. What stands below is of before. Run the cell " +
  "again to import.";
const SILENT =
  "The Python kernel does not answer: it is busy with another cell, or was stopped. " +
  "If it does not come back, run the cell again.";

function render({ model, el }) {
  const said = document.createElement("p");
  said.className = "hk-sdk";
  const lost = document.createElement("p");
  lost.className = "hk-notice hk-stale hk-lost";
  lost.setAttribute("role", "alert");
  lost.hidden = true;
  el.replaceChildren(lost, said);
  const tell = (text) => {
    said.textContent = text;
    said.hidden = !text;
  };
  tell("");

  // The steps and the countdown come from Python: without it they would stand for ever.
  const tool = () => el.closest(".hk-tool");
  let gone = false;
  function disconnect(text) {
    lost.textContent = text;
    lost.hidden = !text;
    if (text) tell("");
    tool()?.classList.toggle("hk-disconnected", Boolean(text));
    for (const input of tool()?.querySelectorAll(WITH_KERNEL) ?? []) {
      if (text && !input.disabled) {
        input.disabled = true;
        input.dataset.lost = "";
      } else if (!text && "lost" in input.dataset) {
        input.disabled = false;
        delete input.dataset.lost;
      }
    }
  }
  let heard = Date.now();
  let answered = false;
  const beat = setInterval(() => {
    const needed = model.get("waiting") || !answered || !lost.hidden;
    if (!el.isConnected || gone || !needed) return;
    if (lost.hidden && Date.now() - heard > PATIENCE) disconnect(SILENT);
    model.send({ type: "ping" });
  }, BEAT);
  model.on("change:waiting", () => {
    heard = Date.now();
  });
  // Jupyter tells every model that its kernel is gone.
  model.on("comm_live_update", () => {
    gone = true;
    disconnect(GONE);
  });

  model.on("msg:custom", async ({ type, session }) => {
    if (type === "pong") {
      heard = Date.now();
      answered = true;
      if (!lost.hidden && !gone) disconnect("");
      return;
    }
    const id = session?.transactionId;
    if (type !== "trigger" || model.triggered === id) return; // one view of many
    model.triggered = id;
    const { gateway, smallcaseAuthToken } = session;
    const waits = () => model.get("waiting") === id;
    try {
      const SDK = await load(model.get("url"));
      const sdk = new SDK({ gateway, smallcaseAuthToken, config: { amo: false } });
      const ended = sdk.triggerTransaction({ transactionId: id });
      model.send({ type: "opened", transactionId: id });
      tell("The broker's page is open in its own window; continue there.");
      const stop = () => {
        if (!waits()) tell("");
      };
      model.on("change:waiting", stop);
      model.send({ type: "result", transactionId: id, result: await ended });
    } catch (error) {
      model.send({ type: "result", transactionId: id, result: plain(error) });
    }
    if (waits() || !model.get("waiting")) tell("");
  });
  load(model.get("url")).catch(() =>
    tell(`The browser SDK could not be loaded from ${model.get("url")}.`),
  );
  return () => clearInterval(beat);
}

export default { render };
