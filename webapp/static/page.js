// Small manners of every page. Without this script all of it works too, a little less comfortably.
"use strict";

const PATIENCE = 10000; // milliseconds after which a form that has no answer may be sent again
const sent = new WeakMap();

// A second click on a button sends nothing twice.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (Date.now() - (sent.get(form) ?? -Infinity) < PATIENCE) return event.preventDefault();
  sent.set(form, Date.now());
  for (const button of form.querySelectorAll("button[aria-pressed=true]")) button.click(); // nobody keeps it as text
});
addEventListener("pageshow", () => {
  for (const form of document.forms) sent.delete(form); // whoever comes back may send it again
});

// The menu closes by Escape, by a click elsewhere, and when the focus leaves it.
for (const menu of document.querySelectorAll("details.menu")) {
  const close = (event) => menu.open && !menu.contains(event.relatedTarget ?? event.target) && (menu.open = false);
  document.addEventListener("click", close);
  menu.addEventListener("focusout", (event) => event.relatedTarget && close(event));
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}

// A password can be looked at.
for (const input of document.querySelectorAll("main input[type=password]")) {
  const frame = document.createElement("div");
  frame.className = "secret";
  const button = aside("Show", " password");
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", shown);
    button.firstChild.data = shown ? "Hide" : "Show";
  });
  input.replaceWith(frame);
  frame.append(input, button);
  if (input.autofocus) input.focus();
}

// An address can be copied; browsers allow that only where nobody listens on the line.
for (const link of navigator.clipboard ? document.querySelectorAll("a[data-copy]") : []) {
  const button = aside("Copy", " the short address");
  const said = document.createElement("span");
  said.setAttribute("role", "status");
  said.className = "help";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(link.href);
      said.textContent = "Copied.";
    } catch {
      said.textContent = "The browser does not allow it; select the address instead.";
    }
  });
  link.after(" ", button, " ", said);
}

function aside(word, hidden) {
  const button = document.createElement("button");
  const rest = document.createElement("span");
  button.type = "button";
  button.className = "plain";
  rest.className = "hidden";
  rest.textContent = hidden;
  button.append(word, rest);
  return button;
}
