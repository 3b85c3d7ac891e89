// Groups of choices are announced by their titles, which Gradio sets beside them without saying so.
const nameGroups = () => {
  for (const group of document.querySelectorAll("fieldset:not([aria-label])")) {
    const title = group.querySelector("[data-testid=block-info]")?.textContent.trim();
    if (title) group.setAttribute("aria-label", title);
  }
};
new MutationObserver(nameGroups).observe(document, { childList: true, subtree: true });
