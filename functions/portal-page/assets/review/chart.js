// Small bar charts. Whoever cannot see one hears all of it as its name.
import { number, text } from "../language.js";

const SVG = "http://www.w3.org/2000/svg";

/** Pixels: from one bar to the next; from the top to a label's foot, and to its bar; how high a bar is. */
const [STEP, FOOT, TOP, HEIGHT] = [31, 14, 20, 5];

/** Draws one bar for each of the `entries`, `{label, value}`, into `figure`. */
export function chart(figure, title, entries) {
  const most = Math.max(1, ...entries.map(({ value }) => value));
  const said = entries.map((entry) => text("chart.entry", entry)).join(", ");
  const svg = element("svg", { role: "img", "aria-label": text("chart.entry", { label: title, value: said }) });
  svg.style.height = `${entries.length * STEP}px`;
  entries.forEach(({ label, value }, index) => {
    const foot = index * STEP + FOOT;
    const bar = { x: 0, y: index * STEP + TOP, height: HEIGHT, rx: HEIGHT / 2 };
    svg.append(
      element("text", { x: 0, y: foot }, label),
      element("text", { x: "100%", y: foot, class: "value" }, number(value)),
      element("rect", { ...bar, width: "100%", class: "track" }),
      element("rect", { ...bar, width: `${(value / most) * 100}%`, class: "bar" }),
    );
  });
  const caption = document.createElement("figcaption");
  caption.textContent = title;
  figure.replaceChildren(caption, svg);
}

function element(name, attributes, content) {
  const made = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  if (content !== undefined) made.textContent = content;
  return made;
}
