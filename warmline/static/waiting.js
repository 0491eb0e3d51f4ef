// How many wait on the peer's lines. That changes with every caller, so the server tells the numbers alone.

const panel = () => document.getElementById("waiting");

// As the page was rendered, or as it was told since.
export function numbers() {
  return JSON.parse(panel().dataset.numbers);
}

// `told`: [how many, since when the first of them] by line.
export function show(told) {
  panel().dataset.numbers = JSON.stringify(told);
  let total = 0;
  for (const row of panel().querySelectorAll("[data-line]")) {
    const [number, since] = told[row.dataset.line] ?? [0, null];
    const time = row.querySelector("time");
    total += number;
    row.hidden = number === 0;
    row.querySelector("[data-number]").textContent = number;
    time.parentElement.hidden = since === null;
    if (since !== null) time.dateTime = since;
  }
  panel().querySelector("ul").hidden = total === 0;
  panel().querySelector("p").hidden = total > 0;
}
