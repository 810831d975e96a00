/**
 * `npm run api`: writes the API reference in docs/api from the docstrings, a page a module. In a docstring, `{@link X}` and
 * `{@link X | text}` lead to what `X` names: an export of the same module, or a `member` of it as `X.member`; else a module
 * by its name or specifier, or an export of one as `Module.X`; else the only export of that name.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, posix } from "node:path"
import * as Oxfmt from "oxfmt"
import type { Declaration, Module, Name, Package } from "./Declarations.ts"
import * as Declarations from "./Declarations.ts"
import * as Project from "./Project.ts"

export const folder = join(Project.root, "docs", "api")

/** Pages in Markdown by their path within docs/api: `core/Route.md`. */
export type Pages = ReadonlyMap<string, string>

const contents = "README.md"

const pathOf = (module: Name) => `${module.package}/${module.name}.md`

/** Its own name, without those of the folders above. */
const shortName = ({ name, specifier }: Name) => (name === "index" ? specifier : name.slice(name.lastIndexOf("/") + 1))

const isSame = (a: Name, b: Name) => a.specifier === b.specifier && a.namespace === b.namespace

/** The anchors that GitHub gives the headings of a page: the second of the same name ends in `-1`. */
const anchors = (headings: ReadonlyArray<string>): ReadonlyArray<string> => {
  const seen = new Map<string, number>()
  return headings.map((heading) => {
    const anchor = heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\-_ ]/gu, "")
      .replace(/ /g, "-")
    const before = seen.get(anchor) ?? 0
    seen.set(anchor, before + 1)
    return before === 0 ? anchor : `${anchor}-${before}`
  })
}

/** What has a heading on a module's page: a type and a value of one name have one. */
const declared = (module: Module): ReadonlyMap<string, ReadonlyArray<Declaration>> =>
  Map.groupBy(
    module.exports.filter((one) => one.kind !== "re-export"),
    ({ name }) => name,
  )

const anchorOf = (module: Module, name: string): string => {
  const names = [...declared(module).keys()]
  return anchors([shortName(module), ...names])[names.indexOf(name) + 1] ?? ""
}

/** The first sentence of a docstring, in one line; empty if it begins with a list. */
const summary = (documentation: string) => {
  const [paragraph = ""] = documentation.split(/\n\s*\n|\n(?=[-*] )/)
  if (/^[-*] /.test(paragraph)) return ""
  return (/^(?:`[^`]*`|[^`])*?[.!?](?=\s|$)/.exec(paragraph)?.[0] ?? paragraph).replace(/\s+/g, " ").trim()
}

const link = /\{@link\s+([^\s|}]+)\s*\|?\s*([^}]*)\}/g

/** The pages, and each `{@link X}` that leads nowhere, with its page. */
export const pages = (
  modules: ReadonlyArray<Module>,
  packages: ReadonlyArray<Package>,
): { readonly pages: Pages; readonly unresolved: ReadonlyArray<string> } => {
  const unresolved = new Set<string>()

  /** Where a name of a module is documented: a page, and its anchor unless the name is a module's. */
  const within = (module: Module, path: ReadonlyArray<string>): string | undefined => {
    const [name, ...rest] = path
    if (name === undefined) return pathOf(module)
    const found = module.exports.filter((one) => one.name === name)
    for (const one of found) {
      if (one.kind !== "re-export") continue
      const target = modules.find((module) => isSame(module, one.module))
      return target && within(target, [...(one.declaration === undefined ? [] : [one.declaration]), ...rest])
    }
    const members = found.flatMap((one) => (one.kind === "re-export" ? [] : one.members.map((member) => member.name)))
    const isFound =
      found.length > 0 && (rest.length === 0 || (rest.length === 1 && rest.every((one) => members.includes(one))))
    return isFound ? `${pathOf(module)}#${anchorOf(module, name)}` : undefined
  }

  const resolve = (target: string, from: Module): string | undefined => {
    const bySpecifier = modules.find(({ namespace, specifier }) => specifier === target && namespace === undefined)
    if (bySpecifier !== undefined) return pathOf(bySpecifier)
    const path = target.split(".")
    const named = modules.filter((module) => shortName(module) === path[0])
    const nearest = [...named.filter((module) => module.package === from.package), ...named]
    const inModule = nearest.map((module) => within(module, path.slice(1)))
    const found = [within(from, path), ...inModule].find((one) => one !== undefined)
    if (found !== undefined) return found
    const [only, ...others] = new Set(modules.flatMap((module) => within(module, path) ?? []))
    return others.length === 0 ? only : undefined
  }

  const href = (page: string, target: string) => {
    const [path = "", anchor] = target.split("#")
    const file = path === page && anchor !== undefined ? "" : posix.relative(posix.dirname(page), path)
    return anchor === undefined ? file : `${file}#${anchor}`
  }

  /** A module's docstring for a page, by default its own: links as Markdown has them. */
  const prose = (documentation: string, from: Module, page = pathOf(from)) =>
    documentation.replace(link, (all, target: string, text: string) => {
      const found = resolve(target, from)
      const label = text.trim() || `\`${target}\``
      if (found === undefined) unresolved.add(`${pathOf(from)}: ${all}`)
      return found === undefined ? label : `[${label}](${href(page, found)})`
    })

  /** The same of a docstring within code, where nothing can be a link. */
  const code = (source: string, from: Module) =>
    source.replace(link, (all, target: string, text: string) => {
      if (resolve(target, from) === undefined) unresolved.add(`${pathOf(from)}: ${all}`)
      return text.trim() || `\`${target}\``
    })

  /** An item of a list: where a name leads, with the first sentence on it. `documentation` is of the module `from`. */
  const item = (label: string, target: string, documentation: string, from: Module, page: string) => {
    const sentence = prose(summary(documentation), from, page)
    return `- [\`${label}\`](${href(page, target)})${sentence === "" ? "" : `: ${sentence}`}`
  }

  const documented = (module: Module, name: string | undefined) =>
    name === undefined
      ? module.documentation
      : (declared(module)
          .get(name)
          ?.find(({ documentation }) => documentation !== "")?.documentation ?? "")

  const list = (module: Module): ReadonlyArray<string> => {
    const page = pathOf(module)
    const items = module.exports.flatMap((one) => {
      if (one.kind !== "re-export")
        return item(one.name, within(module, [one.name]) ?? "", documented(module, one.name), module, page)
      const target = modules.find((module) => isSame(module, one.module))
      if (target === undefined) return []
      return item(one.name, within(module, [one.name]) ?? "", documented(target, one.declaration), target, page)
    })
    return [...new Set(items)]
  }

  const imported = (module: Module) => {
    if (module.namespace !== undefined) return `{ ${module.namespace.split(".")[0]} }`
    return /^[A-Z]\w*$/.test(shortName(module)) ? `* as ${shortName(module)}` : "{ … }"
  }

  const page = (module: Module): ReadonlyArray<string> => [
    `# ${shortName(module)}`,
    `\`import ${imported(module)} from "${module.specifier}"\``,
    prose(module.documentation, module),
    list(module).join("\n"),
    ...[...declared(module)].flatMap(([name, declarations]) => [
      `## ${name}`,
      ...declarations.flatMap(({ documentation, source }) => [
        `\`\`\`ts\n${code(source, module)}\n\`\`\``,
        prose(documentation, module),
      ]),
    ]),
  ]

  const inOrder = modules.toSorted((a, b) => {
    const [first, second] = [a, b].map((module) => (module.name === "index" ? "" : pathOf(module)))
    return (first ?? "") < (second ?? "") ? -1 : 1
  })
  const front = [
    "# API",
    "What the packages export, written from their docstrings by `npm run api`.",
    ...packages.flatMap(({ description, folder, name }) => [
      `## ${name}`,
      description,
      inOrder
        .filter((module) => module.package === folder)
        .map((module) => {
          const { documentation, namespace, specifier } = module
          const label = namespace === undefined ? specifier : `${specifier} { ${namespace} }`
          return item(label, pathOf(module), documentation, module, contents)
        })
        .join("\n"),
    ]),
  ]

  const written = [[contents, front] as const, ...modules.map((module) => [pathOf(module), page(module)] as const)]
  return {
    pages: new Map(written.map(([path, blocks]) => [path, `${blocks.filter((block) => block !== "").join("\n\n")}\n`])),
    unresolved: [...unresolved],
  }
}

/** Each relative link of the pages that leads to none of them, to no heading of one, and to no file beside them. */
export const brokenLinks = (pages: Pages, isFile: (path: string) => boolean): ReadonlyArray<string> => {
  const prose = new Map([...pages].map(([path, text]) => [path, text.replace(/^```[\s\S]*?^```$/gm, "")]))
  const anchorsOf = new Map(
    [...prose].map(([path, text]) => [
      path,
      anchors([...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => heading)),
    ]),
  )
  return [...prose].flatMap(([path, text]) =>
    [...text.matchAll(/\]\((?![a-z]+:)([^)\s]+)\)/g)].flatMap(([, href = ""]) => {
      const [file = "", anchor] = href.split("#")
      const target = file === "" ? path : posix.join(posix.dirname(path), file)
      const known = anchorsOf.get(target)
      const leads = known === undefined ? isFile(target) : anchor === undefined || known.includes(anchor)
      return leads ? [] : [`${path}: ${href}`]
    }),
  )
}

/** The pages as the repository's formatter has them, their code too. */
export const formatted = (pages: Pages): Promise<Pages> => {
  const { ignorePatterns: _ignored, ...options } = JSON.parse(readFileSync(join(Project.root, ".oxfmtrc.json"), "utf8"))
  const entries = [...pages].map(([path, text]) =>
    Oxfmt.format(path, text, options).then(({ code, errors }) => {
      if (errors.length > 0) throw new Error(`${path}: ${errors.map(({ message }) => message).join("; ")}`)
      return [path, code] as const
    }),
  )
  return Promise.all(entries).then((entries) => new Map(entries))
}

if (import.meta.main) {
  const modules = Project.read((project) => Declarations.declarations(project, Declarations.packages))
  const { pages: written, unresolved } = pages(modules, Declarations.packages)
  const files = await formatted(written)
  rmSync(folder, { recursive: true, force: true })
  for (const [path, text] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  for (const link of unresolved) console.error(`leads nowhere: ${link}`)
  if (unresolved.length > 0) process.exitCode = 1
}
