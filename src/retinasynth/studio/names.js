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
