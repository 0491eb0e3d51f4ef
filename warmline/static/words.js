// Sentences that scripts say, in the page's language: t("You were away {span}.", {span}). `make words` collects them.

const words = JSON.parse(document.getElementById("words")?.textContent ?? "{}");

export function t(english, values = {}) {
  return (words[english] ?? english).replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
