// Small bar charts. Screen readers get all values as the chart's name.
import { number, text } from "../language.js";

const SVG = "http://www.w3.org/2000/svg";

/** Pixels: the distance between bars, from the top to a label's baseline, from the top to its bar, and a bar's height. */
const [STEP, BASELINE, TOP, HEIGHT] = [31, 14, 20, 5];

/**
 * Draws one bar for each entry.
 * @param {HTMLElement} figure
 * @param {string} title
 * @param {{ label: string, value: number }[]} entries
 */
export function chart(figure, title, entries) {
  const max = Math.max(1, ...entries.map(({ value }) => value));
  const values = entries.map((entry) => text("chart.entry", entry)).join(", ");
  const svg = element("svg", { role: "img", "aria-label": text("chart.entry", { label: title, value: values }) });
  svg.style.height = `${entries.length * STEP}px`;
  entries.forEach(({ label, value }, index) => {
    const y = index * STEP + BASELINE;
    const bar = { x: 0, y: index * STEP + TOP, height: HEIGHT, rx: HEIGHT / 2 };
    svg.append(
      element("text", { x: 0, y }, label),
      element("text", { x: "100%", y, class: "value" }, number(value)),
      element("rect", { ...bar, width: "100%", class: "track" }),
      element("rect", { ...bar, width: `${(value / max) * 100}%`, class: "bar" }),
    );
  });
  const caption = document.createElement("figcaption");
  caption.textContent = title;
  figure.replaceChildren(caption, svg);
}

/**
 * @param {"svg" | "text" | "rect"} name
 * @param {Record<string, any>} attributes
 * @param {string} [content]
 */
function element(name, attributes, content) {
  const element = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  if (content !== undefined) element.textContent = content;
  return element;
}
