"use strict";
// The page can be read without this script. It highlights an arm in all charts, and selects an arm and a prompt of the texts.
const all = (selector) => [...document.querySelectorAll(selector)];

const press = (buttons, chosen) => buttons.forEach((button) => button.setAttribute("aria-pressed", String(chosen(button))));

let picked = null;
const show = (arm) => all("svg [aria-label]").forEach((mark) =>
  mark.classList.toggle("faint", arm !== null && mark.tagName !== "g" && mark.getAttribute("aria-label") !== arm));
const arms = all("button[data-arm]");
arms.forEach((button) => {
  const arm = button.dataset.arm;
  button.addEventListener("mouseenter", () => show(arm));
  button.addEventListener("mouseleave", () => show(picked));
  button.addEventListener("click", () => {
    picked = picked === arm ? null : arm;
    press(arms, (one) => one.dataset.arm === picked);
    show(picked);
  });
});

const chooser = document.querySelector(".choose");
if (chooser) {
  const writers = all("button[data-writer]"), prompts = all("button[data-prompt]");
  const choice = {writer: "1", prompt: "1"};
  const turn = () => {
    press(writers, (one) => one.dataset.writer === choice.writer);
    press(prompts, (one) => one.dataset.prompt === choice.prompt);
    all("details.writer").forEach((one) => { one.open = true; one.hidden = one.dataset.writer !== choice.writer; });
    all("details.writer article").forEach((one) => { one.hidden = one.dataset.prompt !== choice.prompt; });
  };
  writers.forEach((one) => one.addEventListener("click", () => { choice.writer = one.dataset.writer; turn(); }));
  prompts.forEach((one) => one.addEventListener("click", () => { choice.prompt = one.dataset.prompt; turn(); }));
  document.documentElement.classList.add("moving");
  chooser.hidden = false;
  turn();
}
