/** Parses server-sent events like a client. */

export interface Event {
  /** `undefined` where it has none, which readers take for `message`. */
  readonly name: string | undefined
  /** Its lines joined. */
  readonly data: string
}

/** Every event with data, in order: comments are none, and neither is what no blank line ends. */
export const events = (text: string): ReadonlyArray<Event> =>
  text
    .split("\n\n")
    .slice(0, -1)
    .flatMap((block) => {
      const lines = block.split("\n")
      const data = lines.flatMap((line) => (line.startsWith("data: ") ? [line.slice(6)] : []))
      const name = lines.find((line) => line.startsWith("event: "))?.slice(7)
      return data.length === 0 ? [] : [{ name, data: data.join("\n") }]
    })
