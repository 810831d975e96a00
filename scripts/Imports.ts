/** Which files import which, as TypeScript resolves it: static, dynamic and type imports, and re-exports alike. */
import { relative, sep } from "node:path"
import type { Project } from "typescript/unstable/sync"
import type { Graph } from "./Cycles.ts"
import { root } from "./Project.ts"

const shown = (path: string) => relative(root, path).split(sep).join("/")

/** The imports of the files in some folders, of one another. Files are named by their path from the repository's root. */
export const imports = (project: Project, folders: RegExp): Graph => {
  const files = project.rootFiles.filter((file) => folders.test(shown(file)))
  const known = new Set(files.map(shown))
  return new Map(
    files.map((file) => {
      const specifiers = project.program.getSourceFile(file)?.imports ?? []
      const targets = project.checker
        .getSymbolAtLocation(specifiers)
        .flatMap((module) => module?.declarations.map(({ path }) => shown(path)) ?? [])
      return [shown(file), new Set(targets.filter((target) => known.has(target)))]
    }),
  )
}
