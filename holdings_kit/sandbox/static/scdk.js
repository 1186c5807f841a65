// Stand-in for the gateway's browser SDK, version 2.0.0: the same interface, served by
// the sandbox. No dependency, nothing loaded from elsewhere.
(() => {
  "use strict";

  const home = new URL(document.currentScript.src).origin;
  const WATCH_MS = 400;
  const POLL_MS = 2000;
  const MOST_POLLS = 15;
  const ENDED = new Set(["ERRORED", "CANCELLED", "EXPIRED"]);

  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const failure = (message, code) => ({ message, code });

  async function call(name, body) {
    let said;
    try {
      const reply = await fetch(`${home}/scdk/${name}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
        credentials: "omit",
        cache: "no-store",
      });
      said = await reply.json();
    } catch {
      throw failure("internal_error", 2000);
    }
    if (typeof said.error === "string") throw failure("internal_error", 2000);
    if (said.error && said.status === undefined) {
      throw failure(said.error.message, said.error.code);
    }
    return said;
  }

  // A window of its own; where the browser blocks it, a dialog in the page.
  function openPlace() {
    const popup = window.open("", "_blank", "popup,width=480,height=720");
    if (popup) {
      popup.document.title = "Import holdings";
      return {
        show: (url) => popup.location.replace(url),
        closed: () => popup.closed,
        close: () => popup.close(),
      };
    }
    const dialog = document.createElement("dialog");
    if (typeof dialog.showModal !== "function") {
      throw failure("no_compatible_browser", 2001);
    }
    dialog.setAttribute("aria-label", "Import holdings");
    dialog.style.cssText =
      "width:min(30rem,95vw);height:min(46rem,90vh);padding:0;border:1px solid #767676;" +
      "border-radius:12px;overflow:hidden;background:#fff";
    const leave = document.createElement("button");
    leave.type = "button";
    leave.textContent = "Close";
    leave.style.cssText = "display:block;margin:8px 8px 8px auto;padding:6px 14px";
    leave.addEventListener("click", () => dialog.close());
    const frame = document.createElement("iframe");
    frame.title = "Import holdings";
    frame.style.cssText = "width:100%;height:calc(100% - 50px);border:0";
    dialog.append(leave, frame);
    document.body.append(dialog);
    dialog.addEventListener("close", () => dialog.remove());
    dialog.showModal();
    return {
      show: (url) => {
        frame.src = url;
      },
      closed: () => !dialog.isConnected,
      close: () => dialog.open && dialog.close(),
    };
  }

  function outcome(said) {
    if (said.status === "COMPLETED") {
      const { smallcaseAuthToken, broker, transactionId } = said.success;
      const result = { smallcaseAuthToken, broker, transactionId, signup: false };
      if (!said.nested) return result;
      return { success: true, transaction: said.intent, data: result };
    }
    if (ENDED.has(said.status)) throw failure(said.error.message, said.error.code);
    return null;
  }

  async function pollProcessing(ask) {
    for (let poll = 0; poll < MOST_POLLS; poll += 1) {
      await pause(POLL_MS);
      const result = outcome(await call("status", ask));
      if (result) return result;
    }
    throw failure("timed_out", 4003);
  }

  async function watch(ask, place) {
    for (;;) {
      const gone = place.closed();
      const said = await call(gone ? "closed" : "status", ask);
      const result = outcome(said);
      if (result || said.status === "PROCESSING") place.close();
      if (result) return result;
      if (said.status === "PROCESSING") return pollProcessing(ask);
      if (gone) throw failure("user_cancelled", 1012);
      await pause(WATCH_MS);
    }
  }

  let only = null;

  class scDK {
    #session;
    #brokers;
    #running = false;

    // One for the page: a later `new scDK()` gives the first, its token unchanged.
    constructor({ gateway, smallcaseAuthToken, config = {}, brokers } = {}) {
      if (only) return only;
      only = this;
      this.#session = { gateway, smallcaseAuthToken };
      this.#brokers = brokers ?? config.brokers;
      this.config = { amo: false, ...config };
    }

    // A new token for the same page, for instance after the first import.
    async init({ smallcaseAuthToken } = {}) {
      if (smallcaseAuthToken) this.#session.smallcaseAuthToken = smallcaseAuthToken;
      return call("init", this.#session);
    }

    async triggerTransaction({ transactionId, brokers } = {}) {
      const { gateway, smallcaseAuthToken } = this.#session;
      if (!gateway || !smallcaseAuthToken) throw failure("init_sdk", 3004);
      if (this.#running) throw failure("transaction_in_process", 3003);
      this.#running = true;
      try {
        const ask = { gateway, smallcaseAuthToken, transactionId };
        const place = openPlace(); // before the first await: inside the user's click
        try {
          const limited = { ...ask, brokers: brokers ?? this.#brokers };
          const { page } = await call("trigger", limited);
          place.show(home + page);
        } catch (error) {
          place.close();
          throw error;
        }
        return await watch(ask, place);
      } finally {
        this.#running = false;
      }
    }
  }

  window.scDK = scDK;
})();
