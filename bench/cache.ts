/** Where the benchmark installs what it compares with. Not under `node_modules`, where Node runs no TypeScript. */
import { execFile } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

export const repository = fileURLToPath(new URL("..", import.meta.url))

export const cache = join(repository, ".bench")

/** Runs a program to its end in a folder. */
export const run = promisify(execFile)
