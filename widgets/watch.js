// Says that the Python kernel is gone: read before the script of a tool that needs it.
const BEAT = 1500; // how often the kernel is asked whether it is there
const SILENCE = 3000; // how long it may be silent
const SOON = 250; // when it is asked first: only who has answered can fall silent

// Copying needs no kernel.
const WITH_KERNEL = "input, select, button:not([data-act=copy])";
const SILENT =
  "The Python kernel does not answer: it is busy with another cell, or was stopped. " +
  "If it does not come back, run the cell again.";

// What stands on the page comes from Python: without it it would stand for ever. A part
// of a tool leaves it to the tool's own panel.
function watch(model, el, lost, todo) {
  const tool = () => el.closest(".hk-tool") ?? el;
  const isPart = () => tool() !== el && !el.classList.contains("hk-panel");
  let gone = false;
  function disconnect(text) {
    lost.textContent = text;
    lost.hidden = !text;
    tool().classList.toggle("hk-disconnected", Boolean(text));
    tool().classList.toggle("hk-connected", answers && !text);
    for (const input of tool().querySelectorAll(WITH_KERNEL)) {
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
  let asked = 0;
  let answers = false; // not every host passes messages: silence says nothing there
  let doubt = null;
  const ask = () => {
    if (!el.isConnected || gone || isPart()) return;
    if (heard >= asked) {
      // The first question without an answer: a page in the background asks seldom,
      // so that the answer always has the time of a beat.
      asked = Date.now();
      clearTimeout(doubt);
      const wait = Math.max(BEAT, SILENCE - (asked - heard));
      if (answers) doubt = setTimeout(disconnect, wait, SILENT);
    }
    model.send({ type: "ping" }); // fails where the kernel was shut down
  };
  const first = setTimeout(ask, SOON);
  const beat = setInterval(ask, BEAT);
  model.on("msg:custom", ({ type }) => {
    if (type !== "pong") return;
    heard = Date.now();
    answers = true;
    clearTimeout(doubt);
    if (!gone) disconnect("");
  });
  // Jupyter tells every model that its kernel is gone.
  model.on("comm_live_update", () => {
    if (isPart()) return;
    gone = true;
    clearTimeout(doubt);
    disconnect(`Not connected: the Python kernel was restarted or has stopped. ${todo}`);
  });
  return () => {
    clearTimeout(first);
    clearInterval(beat);
    clearTimeout(doubt);
  };
}
