// What is not known, as Python writes it too: holdings_kit/display/unknown.css.
function dash(why) {
  const mark = document.createElement("span");
  mark.className = "hk-unk";
  mark.tabIndex = 0;
  const said = document.createElement("span");
  said.className = "hk-why";
  said.textContent = ` ${why}`;
  mark.append("–", said);
  return mark;
}
