// Groups of choices are announced by their titles, which Gradio sets beside them without saying so.
const nameGroups = () => {
  for (const group of document.querySelectorAll("fieldset:not([aria-label])")) {
    const title = group.querySelector("[data-testid=block-info]")?.textContent.trim();
    if (title) group.setAttribute("aria-label", title);
  }
  for (const box of document.querySelectorAll("fieldset input[type=checkbox]:not([name]):not([aria-label])"))
    if (!box.parentElement.textContent.trim()) box.setAttribute("aria-label", "All of them");
};
new MutationObserver(nameGroups).observe(document, { childList: true, subtree: true });
