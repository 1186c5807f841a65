// Loads the Gateway's browser SDK from a configurable address and triggers one import.
// Token and result travel as messages: they are never state that a notebook saves.
const loading = new Map();

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

function render({ model, el }) {
  const said = document.createElement("p");
  said.className = "hk-sdk";
  el.replaceChildren(said);
  const tell = (text) => {
    said.textContent = text;
    said.hidden = !text;
  };
  tell("");

  model.on("msg:custom", async ({ type, session }) => {
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
}

export default { render };
