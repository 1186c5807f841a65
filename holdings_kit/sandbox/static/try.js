// The sandbox's own front page: what a partner's page does, in full.
const button = document.getElementById("import");
const said = document.getElementById("said");

async function run() {
  const reply = await fetch("/_sandbox/try", { method: "POST" });
  const { gateway, smallcaseAuthToken, transactionId } = await reply.json();
  const sdk = new window.scDK({ gateway, smallcaseAuthToken });
  await sdk.init({ smallcaseAuthToken }); // the second time it is still the first SDK
  return sdk.triggerTransaction({ transactionId });
}

button.addEventListener("click", async () => {
  button.disabled = true;
  said.textContent = "Waiting for the import …";
  try {
    said.textContent = JSON.stringify(await run(), null, 2);
  } catch (error) {
    said.textContent = JSON.stringify(error, null, 2);
  } finally {
    button.disabled = false;
    button.focus();
  }
});
