/**
 * The repository as TypeScript sees it: every file of tsconfig.json, parsed, resolved and checked by the `tsc` that
 * checks it everywhere else. TypeScript 7 offers this to scripts as `typescript/unstable/sync`, which may change with any
 * version: `Project`, `Imports` and `Declarations` alone import it.
 */
import { join } from "node:path"
import type { Project } from "typescript/unstable/sync"
import { API } from "typescript/unstable/sync"

export const root = join(import.meta.dirname, "..")

/** Reads something of the project. Its nodes and types are worth nothing afterwards: return plain values. */
export const read = <A>(f: (project: Project) => A): A => {
  const api = new API({ cwd: root })
  try {
    const [project] = api.updateSnapshot({ openProjects: [join(root, "tsconfig.json")] }).getProjects()
    if (project === undefined) throw new Error("TypeScript found no project in tsconfig.json")
    return f(project)
  } finally {
    api.close()
  }
}
