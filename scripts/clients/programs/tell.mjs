// What the JavaScript programs have in common: the question, where clients are installed, and how an answer is shown.
import { tmpdir } from "node:os"
import { join } from "node:path"

export const question = "Who is on tonight?"
export const installed = join(tmpdir(), "understudy-clients", "package.json")

/** Prints the texts as they come; ends with 1 and the error's name and message where it throws. */
export const tell = async (texts) => {
  try {
    for await (const text of texts()) process.stdout.write(text)
    process.stdout.write("\n")
  } catch (error) {
    process.stderr.write(`\n${error.constructor.name}: ${String(error.message).split("\n")[0]}\n`)
    process.exitCode = 1
  }
}

/** Makes calls by their names, one after the other. Prints for each a line of JSON: what was said, or the error. */
export const tellEach = async (calls) => {
  for (const [call, make] of Object.entries(calls)) {
    try {
      console.log(JSON.stringify({ call, said: await make() }))
    } catch (error) {
      console.log(JSON.stringify({ call, error: `${error.constructor.name}: ${String(error.message).split("\n")[0]}` }))
    }
  }
}
