// Groups of choices are announced by their titles, which Gradio sets beside them without saying so.
// So are the tabs for which a phone has no room.
const nameGroups = () => {
  document.querySelector(".overflow-menu > button:not([aria-label])")?.setAttribute("aria-label", "More tabs");
  for (const group of document.querySelectorAll("fieldset:not([aria-label])")) {
    const title = group.querySelector("[data-testid=block-info]")?.textContent.trim();
    if (title) group.setAttribute("aria-label", title);
  }
};
new MutationObserver(nameGroups).observe(document, { childList: true, subtree: true });
// Gradio measures which tabs fit before their style is there; once it is, more do.
for (const seconds of [1, 3, 8, 20]) setTimeout(() => dispatchEvent(new Event("resize")), 1000 * seconds);
