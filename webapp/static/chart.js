// Tells the value of a bar: the one under the pointer, or the one that the arrow keys have reached. All values are in
// the table below each chart as well, from which they are read here.
"use strict";

const chosen = new Map(); // which bar, by chart: the figures are written anew every few seconds

function prepare(bars) {
  const section = bars.closest("section");
  const values = [...section.querySelectorAll("tbody tr")].reverse().map((row) => {
    const clicks = row.cells[1].textContent;
    return `${row.cells[0].textContent}: ${clicks} click${clicks === "1" ? "" : "s"}`;
  });
  const told = section.querySelector(".axis strong");
  const cursor = document.createElement("span");
  cursor.className = "cursor";
  bars.append(cursor);
  for (const [name, value] of Object.entries({
    role: "slider", // what screen readers know of things that arrow keys move along
    tabindex: 0,
    "aria-label": `${section.querySelector("h2").textContent}, one by one`,
    "aria-valuemin": 1,
    "aria-valuemax": values.length,
  }))
    bars.setAttribute(name, value);

  function point(number) {
    const there = number !== undefined;
    chosen.set(bars.dataset.keep, number);
    cursor.hidden = !there;
    cursor.style.left = `${(((number ?? 0) + 0.5) / values.length) * 100}%`;
    told.textContent = there ? values[number] : "";
    bars.setAttribute("aria-valuenow", (number ?? values.length - 1) + 1);
    bars.setAttribute("aria-valuetext", values[number ?? values.length - 1]);
  }

  function under(event) {
    const place = bars.getBoundingClientRect();
    const number = Math.floor(((event.clientX - place.left) / place.width) * values.length);
    point(Math.max(0, Math.min(values.length - 1, number)));
  }

  bars.addEventListener("pointermove", under);
  bars.addEventListener("pointerdown", under);
  bars.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && point());
  bars.addEventListener("keydown", (event) => {
    const last = values.length - 1;
    const now = chosen.get(bars.dataset.keep) ?? last + 1;
    const next = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last, Escape: undefined };
    if (!(event.key in next)) return;
    event.preventDefault();
    point(next[event.key] === undefined ? undefined : Math.max(0, Math.min(last, next[event.key])));
  });
  point(chosen.get(bars.dataset.keep));
}

function prepareAll() {
  for (const bars of document.querySelectorAll(".bars")) prepare(bars);
}

document.getElementById("figures").addEventListener("figures", prepareAll);
prepareAll();
