/**
 * The text of a simulated response: the provider's name, the question, and a few sentences, so that a stream has several
 * pieces.
 */
import { scatter } from "./Random.ts"
import type { Prompt } from "./Prompt.ts"

/** A deterministic text for a prompt and seed. `variant` distinguishes the choices of one response. */
export const text = (name: string, seed: number, prompt: Prompt, variant: number): string => {
  const first = hash(`${prompt.text}\n${prompt.results.map(({ text }) => text).join("\n")}`)
  const bits = scatter(seed ^ first, variant)
  const chosen = [0, 1, 2].map((place) => sentences[((bits >>> (place * 8)) % each) * 3 + place])
  return `${name} (simulated) says: ${opening(prompt)} ${chosen.join(" ")}`
}

const opening = ({ results, text }: Prompt): string => {
  if (results.length > 0) {
    return results
      .map(({ failed, text, tool = "the tool" }) => `${tool} ${failed ? "failed with" : "answered"} “${short(text)}”.`)
      .join(" ")
  }
  return text === "" ? "you asked without words." : `you asked “${short(text)}”.`
}

const short = (text: string): string => {
  const characters = [...text]
  return characters.length <= 240 ? text : `${characters.slice(0, 239).join("")}…`
}

/** In threes: a first sentence, a second and a third. */
const sentences: ReadonlyArray<string> = [
  "No model was called and nothing was spent: this text is simulated.",
  "It is streamed in small pieces, as a model's output is.",
  "Identical requests get identical responses.",
  "A real model would have reasoned about the question; a simulated one has fixed sentences.",
  "The text depends on the request and the seed alone.",
  "Make this deployment fail, and the route falls back to the next one.",
  "To get a real answer, configure a provider.",
  "Until then, this deployment answers without credentials.",
  "Nothing leaves this machine.",
]
const each = sentences.length / 3

/** FNV-1a. */
const hash = (text: string): number => {
  let bits = 0x811c9dc5
  for (let at = 0; at < text.length; at++) bits = Math.imul(bits ^ text.charCodeAt(at), 0x01000193)
  return bits >>> 0
}
