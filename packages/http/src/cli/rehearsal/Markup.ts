/**
 * Writes HTML and SVG. Texts and attributes are escaped; children are markup.
 */
import { plain } from "../../observe/PlainText.ts"

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
}

/** A text as markup. */
export const escape = (text: string): string => plain(text).replace(/[&<>"']/g, (found) => entities[found] ?? found)

/** An element. `undefined` attributes are left out. */
export const element = (
  name: string,
  attributes: Readonly<Record<string, string | number | undefined>> = {},
  ...children: ReadonlyArray<string>
): string => {
  const written = Object.entries(attributes)
    .map(([key, value]) => (value === undefined ? "" : ` ${key}="${escape(String(value))}"`))
    .join("")
  return `<${name}${written}>${children.join("")}</${name}>`
}
