// Keeps a link's figures up to date: asks for them again every few seconds while somebody looks. Without this script the
// page shows the figures of the moment it was asked for.
"use strict";

const PAUSE = 3000; // milliseconds
const LONGEST = 60000;
const figures = document.getElementById("figures");
const button = document.createElement("button"); // without this script there is nothing to stop
const said = document.getElementById("said");
let running = true;
let pause = PAUSE;
let timer;

function say(text) {
  if (said.textContent !== text) said.textContent = text; // read aloud only when it changes
}

function show(text) {
  const open = [...figures.querySelectorAll("details[open]")].map((each) => each.dataset.keep);
  const focused = document.activeElement.closest("#figures [data-keep]")?.dataset.keep;
  figures.innerHTML = text; // our own page, in which the template has escaped what people wrote
  figures.dispatchEvent(new Event("figures"));
  for (const each of figures.querySelectorAll("[data-keep]")) {
    if (open.includes(each.dataset.keep)) each.open = true;
    if (each.dataset.keep === focused) (each.querySelector("summary") ?? each).focus({ preventScroll: true });
  }
}

async function update() {
  if (document.hidden) return later();
  try {
    const answer = await fetch(figures.dataset.live, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (answer.redirected || answer.status === 404) {
      stop();
      return say("You are not signed in any more; reload the page.");
    }
    if (!answer.ok) throw new Error(answer.status);
    show(await answer.text());
    pause = PAUSE;
    say("The figures are kept up to date.");
  } catch {
    pause = Math.min(pause * 2, LONGEST);
    say("No answer just now; these are the last figures. Trying again.");
  }
  later();
}

function later() {
  clearTimeout(timer);
  if (running) timer = setTimeout(update, pause);
}

function stop() {
  running = false;
  clearTimeout(timer);
  button.textContent = "Go on updating";
}

button.type = "button";
button.className = "quiet";
button.textContent = "Stop updating";
said.before(button);
button.addEventListener("click", () => {
  if (running) {
    stop();
    return say("Stopped.");
  }
  running = true;
  button.textContent = "Stop updating";
  update();
});
document.addEventListener("visibilitychange", () => running && !document.hidden && update());
say("The figures are kept up to date.");
later();
