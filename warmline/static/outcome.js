// "How did it end?" and what else follows from the answer.

// Chooses an outcome in a contact's report, unless one is chosen already, and lets it save itself.
export function presetOutcome(contact, code) {
  const form = document.getElementById(`report-${contact}`);
  if (!form || form.querySelector('[name="disposition"]:checked')) return;
  const choice = document.getElementById(`${code}-${contact}`);
  choice.checked = true;
  choice.dispatchEvent(new Event("input", { bubbles: true }));
}

// Whoever chooses the hand-off is shown where to say to whom.
document.addEventListener("input", ({ target }) => {
  if (target.name !== "disposition" || target.value !== "handed_off") return;
  const contact = target.id.replace(/^handed_off-/, "");
  document.getElementById(`handoff-details-${contact}`).open = true;
});
