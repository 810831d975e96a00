/**
 * `npm run surface`: writes what each package exports into its surface.txt, a line a name and a line a member, sorted by
 * name. A test compares the files with the sources, so that what a change changes for users shows in its diff.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Declaration, Module, Name, Package, Reference } from "./Declarations.ts"
import * as Declarations from "./Declarations.ts"
import * as Project from "./Project.ts"

const title = ({ namespace, specifier }: Name) =>
  namespace === undefined ? specifier : `${specifier} { ${namespace} }`

const lines = (exported: Declaration | Reference): ReadonlyArray<string> => {
  if (exported.kind !== "re-export") {
    const { kind, members, name, signature } = exported
    return [`${kind} ${name}${signature}`, ...members.map((member) => `  ${member.signature}`)]
  }
  const { declaration = "*", module, name } = exported
  return [`re-export ${name}${declaration === name ? "" : ` = ${declaration}`} from ${title(module)}`]
}

/** The text of a package's surface.txt. `modules` may be those of other packages too. */
export const surface = ({ exports, folder, name }: Package, modules: ReadonlyArray<Module>): string =>
  [
    `What ${name} exports. Written by: npm run surface`,
    ...Declarations.subpaths(exports).wildcards.map((subpath) => `Not listed: "${subpath}", which names no module`),
    ...modules
      .filter((module) => module.package === folder)
      .flatMap((module) => ["", `# ${title(module)}`, ...module.exports.flatMap(lines)]),
    "",
  ].join("\n")

/** Each line of a surface with its module and, if it is a member's, the name it is a member of. */
const qualified = (text: string): ReadonlyArray<string> => {
  let module = ""
  let name = ""
  return text.split("\n").flatMap((line) => {
    if (line === "") return []
    if (line.startsWith("# ")) {
      module = line.slice("# ".length)
      return [module]
    }
    if (line.startsWith("  ")) return [`${module}: ${name}: ${line.trim()}`]
    name = /^\S+ [\w$]+/.exec(line)?.[0] ?? line
    return [`${module}: ${line}`]
  })
}

/** What is removed and what is added between two surfaces, a line each; none if they are the same. */
export const changes = (from: string, to: string): ReadonlyArray<string> => {
  const before = qualified(from)
  const after = qualified(to)
  const found = [
    ...before.filter((line) => !after.includes(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`),
  ]
  return found.length === 0 && from !== to ? ["the order of the lines"] : found
}

export const fileOf = ({ path }: Package) => join(path, "surface.txt")

if (import.meta.main) {
  const modules = Project.read((project) => Declarations.declarations(project, Declarations.packages))
  for (const one of Declarations.packages) writeFileSync(fileOf(one), surface(one, modules))
}
