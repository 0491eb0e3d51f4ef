// Sentences that scripts say, in the page's language: t("You were away {span}.", {span}). `make words` collects them.

import words from "/words.js";

export function t(english, values = {}) {
  return (words[english] ?? english).replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
