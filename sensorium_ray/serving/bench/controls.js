// Sliders with a number beside each, which are two ways to set one value.

/** Fill a container; specs: {id, label, min, max, step, value, unit}. Ids are unique within the page. */
export function build(container, specs, changed) {
  container.replaceChildren(...specs.map((spec) => control(container.id, spec, changed)));
}

/** What is set, by id. */
export function values(container) {
  return Object.fromEntries([...container.querySelectorAll("input[type=number]")].map((box) => [box.name, Number(box.value)]));
}

/** Let those be set whose ids fulfil a condition. */
export function enable(container, condition) {
  for (const element of container.querySelectorAll(".control")) {
    const whether = condition(element.querySelector("input[type=number]").name);
    for (const input of element.querySelectorAll("input")) input.disabled = !whether;
  }
}

function control(prefix, { id, label, min, max, step, value, unit }, changed) {
  const box = input({ type: "number", id: `${prefix}-${id}`, name: id, min, max, step, value });
  const slider = input({ type: "range", min, max, step, value });
  const text = document.createElement("label");
  text.htmlFor = box.id;
  text.textContent = unit ? `${label}, ${unit}` : label;
  slider.setAttribute("aria-label", text.textContent);
  slider.addEventListener("input", () => {
    box.value = slider.value;
    changed();
  });
  box.addEventListener("input", () => {
    if (box.value === "" || !box.validity.valid) return;
    slider.value = box.value;
    changed();
  });
  box.addEventListener("change", () => {
    box.value = slider.value; // what cannot be becomes what was
  });
  const element = document.createElement("div");
  element.className = "control";
  element.append(text, box, slider);
  return element;
}

function input(attributes) {
  const element = document.createElement("input");
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
