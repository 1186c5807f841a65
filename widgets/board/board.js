// Shows what Python wrote, with every text escaped there; buttons answer in Python.
function save(name, bytes) {
  const link = document.createElement("a");
  const url = URL.createObjectURL(new Blob([bytes], { type: "text/csv" }));
  Object.assign(link, { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function render({ model, el }) {
  el.classList.add("hk-board");
  el.tabIndex = -1;
  const say = (text) => {
    for (const place of el.querySelectorAll(".hk-said")) place.textContent = text;
  };
  function draw() {
    const at = el.contains(document.activeElement) ? document.activeElement : null;
    const key = at?.dataset.key;
    el.innerHTML = model.get("markup");
    // JupyterLab takes arrow and letter keys of focused elements unless each says no.
    for (const one of el.querySelectorAll("button, summary, [tabindex]")) {
      one.setAttribute("data-lm-suppress-shortcuts", "true");
    }
    if (!at || at === el) return;
    const again = key && el.querySelector(`[data-key="${CSS.escape(key)}"]`);
    (again ?? el).focus({ preventScroll: true });
  }
  el.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-act]");
    if (!button || button.disabled) return;
    const { act, value } = button.dataset;
    if (act !== "copy") {
      model.send({ act, value: value ?? "" });
      return;
    }
    try {
      await navigator.clipboard.writeText(value);
      say("Copied");
    } catch {
      say(`The browser did not allow copying: ${value}`);
    }
  });
  model.on("change:markup", draw);
  model.on("msg:custom", (message, buffers) => {
    if (message.type !== "save") return;
    save(message.name, buffers[0]);
    say(`✓ ${message.name} saved`);
  });
  draw();
}

export default { render };
