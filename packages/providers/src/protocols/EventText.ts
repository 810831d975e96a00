/**
 * The text of a server-sent event, as the client encoders write it.
 */

/** One event, named if `name` is given. Data of several lines becomes several `data` lines. */
export const event = (data: string, name?: string): string => {
  const lines = data.includes("\n") ? data.replaceAll("\n", "\ndata: ") : data
  return name === undefined ? `data: ${lines}\n\n` : `event: ${name}\ndata: ${lines}\n\n`
}
