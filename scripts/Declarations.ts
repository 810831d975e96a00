/**
 * What the packages export, by the `exports` of their manifests: each module that a subpath or a namespace leads to, each
 * exported name with its kind, its type and its docstring. The one reader: `surface.ts` and `api.ts` write what it reads.
 */
import { readdirSync, readFileSync } from "node:fs"
import { basename, join, sep } from "node:path"
import type { Node, SourceFile } from "typescript/unstable/ast"
import * as Ast from "typescript/unstable/ast"
import type { Project, Symbol } from "typescript/unstable/sync"
import { NodeBuilderFlags, SymbolFlags } from "typescript/unstable/sync"
import { root } from "./Project.ts"

/** How a module is named. */
export interface Name {
  /** Its folder in packages: `core`. */
  readonly package: string
  /** What is written after `from`: `@understudy/core/Route`. */
  readonly specifier: string
  /** The name under which `specifier` exports it as a namespace; `undefined` if `specifier` is the module itself. */
  readonly namespace: string | undefined
  /**
   * Its subpath without `./`, with its namespace below: `protocols/messages`, `protocols/messages/Request`. Of what the
   * package itself exports, the namespace alone: `Chat`; `index` for the package itself.
   */
  readonly name: string
}

/** A module that users can import: by a subpath of its own, or else as a namespace that another module exports. */
export interface Module extends Name {
  /** The docstring at the top of the file; empty if there is none. */
  readonly documentation: string
  /** Sorted by name. */
  readonly exports: ReadonlyArray<Declaration | Reference>
}

/** A name that is declared in this module. A name that is both a type and a value is there twice. */
export interface Declaration {
  readonly kind: "class" | "const" | "function" | "interface" | "type"
  readonly name: string
  /** What follows the name, in one line, `{ … }` for members: `: (a: string) => void`, ` extends Data.Error<{ … }>`. */
  readonly signature: string
  /** As it is written, the docstrings of members included, without the bodies of functions. */
  readonly source: string
  readonly documentation: string
  /**
   * In the order of the source: those of an interface, a class, an object type or a struct, without private ones. Of a
   * union of object types, its alternatives: `| { … }`, without a name.
   */
  readonly members: ReadonlyArray<Member>
}

export interface Member {
  readonly name: string
  /** In one line: `readonly name: string`. */
  readonly signature: string
  readonly documentation: string
}

/** A name that is declared in another module of the packages, or that is another module. */
export interface Reference {
  readonly kind: "re-export"
  readonly name: string
  readonly module: Name
  /** The name there; `undefined` if this is the whole module, as a namespace. */
  readonly declaration: string | undefined
}

/**
 * The subpaths of an `exports` map: `modules` are those that name one TypeScript module, each with its file; `wildcards`
 * are those with a `*`. What is below `./internal/` is not for users and left out.
 */
export const subpaths = (exports: Readonly<Record<string, unknown>>) => {
  const entries = Object.entries(exports).filter(([subpath]) => !subpath.startsWith("./internal/"))
  const isModule = (entry: [string, unknown]): entry is [string, string] =>
    !entry[0].includes("*") && typeof entry[1] === "string" && entry[1].endsWith(".ts")
  return {
    modules: entries.filter(isModule).sort(([a], [b]) => byCodeUnit(a, b)),
    wildcards: entries.flatMap(([subpath, file]) => (subpath.includes("*") && file !== null ? [subpath] : [])),
  }
}

export interface Package {
  /** The name of its folder, and the path of it. */
  readonly folder: string
  readonly path: string
  readonly name: string
  readonly description: string
  readonly exports: Readonly<Record<string, unknown>>
}

/** A package, by its manifest. */
export const packageIn = (path: string): Package => ({
  folder: basename(path),
  path,
  ...JSON.parse(readFileSync(join(path, "package.json"), "utf8")),
})

/** Those of the repository, by folder. */
export const packages: ReadonlyArray<Package> = readdirSync(join(root, "packages"))
  .sort()
  .map((folder) => packageIn(join(root, "packages", folder)))

/** The order that is the same in every locale. */
function byCodeUnit(a: string, b: string) {
  return a < b ? -1 : a > b ? 1 : 0
}

const oneLine = (text: string) => text.replace(/\s+/g, " ").trim()

/** The text of a docstring, without its stars. */
const unstarred = (comment: string) =>
  comment
    .replace(/^\/\*\*[ \t]*|\s*\*\/$/g, "")
    .replace(/\n[ \t]*\* ?/g, "\n")
    .trim()

const starred = (text: string) =>
  text === "" ? "" : text.includes("\n") ? `/**\n * ${text.replace(/\n/g, "\n * ")}\n */\n` : `/** ${text} */\n`

/** Members between braces, a line each, with their docstrings. */
const braced = (members: ReadonlyArray<Member>) => {
  const lines = members.map((one) => `${starred(one.documentation)}${one.signature}`.replace(/^/gm, "  "))
  return lines.length === 0 ? "{}" : `{\n${lines.join("\n")}\n}`
}

/** The docstrings before a node, the nearest last. */
const docstrings = (file: SourceFile, node: Node) =>
  (file.text.slice(node.pos, node.getStart(file)).match(/\/\*\*(?!\/)[\s\S]*?\*\//g) ?? []).map(unstarred)

const documentationOf = (file: SourceFile, node: Node) => docstrings(file, node).at(-1) ?? ""

/** The first docstring of a file is the file's, unless it stands alone before a declaration. */
const documentationOfFile = (file: SourceFile): string => {
  const [first] = file.statements
  if (first === undefined) return ""
  const found = docstrings(file, first)
  return found.length > 1 || Ast.isImportDeclaration(first) || Ast.isExportDeclaration(first) ? (found[0] ?? "") : ""
}

/** The statement at the top of its file that a declaration stands in. */
const statementOf = (node: Node): Node =>
  Ast.isSourceFile(node) || Ast.isSourceFile(node.parent) ? node : statementOf(node.parent)

/** The outermost object types in a node. */
const objectTypes = (node: Node): ReadonlyArray<Ast.TypeLiteralNode> => {
  if (Ast.isTypeLiteralNode(node)) return [node]
  const found: Array<Ast.TypeLiteralNode> = []
  node.forEachChild((child) => {
    found.push(...objectTypes(child))
    return undefined
  })
  return found
}

/** The name of a member: none has it that is called, indexed or made with `new`. */
const nameOf = (node: Node) => (node as { readonly name?: Ast.PropertyName | undefined }).name

const isModule = (symbol: Symbol) => (symbol.flags & SymbolFlags.ValueModule) !== 0

/** A module that is found and not yet read. */
interface Found extends Name {
  readonly symbol: Symbol
}

const plain = ({ name, namespace, package: folder, specifier }: Found): Name => ({
  package: folder,
  specifier,
  namespace,
  name,
})

/** Every module of the packages: those with a subpath of their own, package by package, then those without. */
export const declarations = (project: Project, packages: ReadonlyArray<Package>): ReadonlyArray<Module> => {
  const { checker, emitter, program } = project

  const print = (node: Node) => emitter.printNode(node).trim()
  const resolved = (symbol: Symbol) =>
    (symbol.flags & SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol)
  const exportsOf = (module: Found) =>
    checker
      .getExportsOfModule(module.symbol)
      .map((exported) => {
        const symbol = resolved(exported)
        return { name: exported.name, symbol, path: symbol.declarations[0]?.path ?? "" }
      })
      .sort((a, b) => byCodeUnit(a.name, b.name))

  const modules = new Map<string, Found>()
  for (const { exports, folder, name, path: packagePath } of packages) {
    for (const [subpath, target] of subpaths(exports).modules) {
      const path = join(packagePath, target)
      const file = program.getSourceFile(path)
      const symbol = file === undefined ? undefined : checker.getSymbolAtLocation(file)
      if (symbol === undefined) throw new Error(`"${subpath}" of ${name} leads to ${target}, which is no module`)
      const subpathName = subpath.slice("./".length)
      modules.set(path, {
        package: folder,
        specifier: subpathName === "" ? name : `${name}/${subpathName}`,
        namespace: undefined,
        name: subpathName === "" ? "index" : subpathName,
        symbol,
      })
    }
  }
  const isOurs = (path: string) => packages.some((one) => path.startsWith(one.path + sep + "src" + sep))
  // A Map grows while it is iterated: the namespaces of a namespace are found too.
  for (const module of modules.values()) {
    for (const { name, path, symbol } of exportsOf(module)) {
      if (!isModule(symbol) || modules.has(path) || !isOurs(path)) continue
      const namespace = module.namespace === undefined ? name : `${module.namespace}.${name}`
      const below = module.name === "index" ? name : `${module.name}/${name}`
      modules.set(path, { ...module, namespace, name: below, symbol })
    }
  }

  /** The type in full. What its file does not import is printed with the path it is from, which is left out. */
  const fullTypeOf = (symbol: Symbol, at: Node) => {
    const type = checker.getTypeOfSymbol(symbol)
    if (type === undefined) throw new Error(`${symbol.name} has no type`)
    return checker.typeToString(type, at, NodeBuilderFlags.NoTruncation).replace(/import\("[^"]*"\)\./g, "")
  }
  // The type of a schema repeats the types of all schemas within it: of an exported one, the name is shown instead.
  const schemas = new Map<string, { readonly name: string; readonly path: string; readonly module: Found }>()
  for (const [path, module] of modules) {
    for (const { name, symbol } of exportsOf(module).filter((exported) => exported.path === path)) {
      const node = symbol.valueDeclaration?.resolve(project)
      if (node === undefined || !Ast.isVariableDeclaration(node)) continue
      const type = fullTypeOf(symbol, node)
      if (type.startsWith("Schema.") && type.length > 60 && !schemas.has(type))
        schemas.set(type, { name, path, module })
    }
  }
  const longestFirst = [...schemas].sort(([a], [b]) => b.length - a.length || byCodeUnit(a, b))
  /** The type in one line. `declared` is the name that is declared to have it. */
  const typeOf = (symbol: Symbol, at: Node, declared?: string) => {
    const here = at.getSourceFile().path
    return longestFirst.reduce(
      (text, [type, { module, name, path }]) => {
        if (text === type && name === declared && path === here) return text
        return text.replaceAll(type, `typeof ${path === here ? "" : `${module.name.replace(/^.*\//, "")}.`}${name}`)
      },
      fullTypeOf(symbol, at),
    )
  }

  const symbolOf = (node: Node) => {
    const symbol = checker.getSymbolAtLocation(node)
    if (symbol === undefined) throw new Error(`${print(node)} has no symbol`)
    return symbol
  }

  const member = (file: SourceFile, node: Ast.TypeElement): Member => {
    const name = nameOf(node)
    return {
      name: name === undefined ? "" : print(name),
      signature: oneLine(print(node)).replace(/;$/, ""),
      documentation: documentationOf(file, node),
    }
  }

  const classMember = (file: SourceFile, node: Ast.ClassElement): ReadonlyArray<Member> => {
    const text = file.text.slice(node.getStart(file), node.end)
    const documentation = documentationOf(file, node)
    if (/^private\b/.test(text)) return []
    if (Ast.isConstructorDeclaration(node)) {
      const parameters = node.parameters.map((parameter) => oneLine(print(parameter))).join(", ")
      return [{ name: "constructor", signature: `constructor(${parameters})`, documentation }]
    }
    const name = nameOf(node)
    if (name === undefined || Ast.isPrivateIdentifier(name)) return []
    const [modifiers = ""] = /^(?:static )?(?:readonly )?/.exec(text.replace(/\b(?:override|get) /g, "")) ?? []
    const isReadonly = Ast.isGetAccessorDeclaration(node) ? "readonly " : ""
    const optional = file.text[name.end] === "?" ? "?" : ""
    const annotation = Ast.isPropertyDeclaration(node) ? node.type : undefined
    const type = annotation === undefined ? typeOf(symbolOf(name), node) : oneLine(print(annotation))
    const signature = `${modifiers}${isReadonly}${print(name)}${optional}: ${type}`
    return [{ name: print(name), signature, documentation }]
  }

  /** The fields of a struct's schema, with those that it takes from elsewhere. */
  const fields = (symbol: Symbol, at: Node): ReadonlyArray<Member> => {
    const type = checker.getTypeOfSymbol(symbol)
    const struct = type === undefined ? undefined : checker.getPropertyOfType(type, "fields")
    const of = struct === undefined ? undefined : checker.getTypeOfSymbol(struct)
    return of === undefined
      ? []
      : checker.getPropertiesOfType(of).map((field) => {
          const node = field.declarations[0]?.resolve(project)
          const documentation = node === undefined ? "" : documentationOf(node.getSourceFile(), node)
          return { name: field.name, signature: `readonly ${field.name}: ${typeOf(field, at)}`, documentation }
        })
  }

  /** The properties of a class that is a schema, as its instances have them. */
  const properties = (symbol: Symbol, at: Node): ReadonlyArray<Member> =>
    checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol)).map((property) => {
      const node = property.declarations[0]?.resolve(project)
      const optional = (property.flags & SymbolFlags.Optional) === 0 ? "" : "?"
      return {
        name: property.name,
        signature: `readonly ${property.name}${optional}: ${fullTypeOf(property, at)}`,
        documentation: node === undefined ? "" : documentationOf(node.getSourceFile(), node),
      }
    })

  const declaration = (name: string, symbol: Symbol, node: Node): Declaration => {
    const statement = statementOf(node)
    const file = statement.getSourceFile()
    const documentation = documentationOf(file, statement)
    const until = (end: Node) => file.text.slice(statement.getStart(file), end.end).replace(/^export /, "")
    const source = until(statement)

    if (Ast.isVariableDeclaration(node) || Ast.isFunctionDeclaration(node)) {
      const annotation = Ast.isVariableDeclaration(node) ? node.type : undefined
      const type = annotation === undefined ? typeOf(symbol, node, name) : oneLine(print(annotation))
      const members = type.startsWith("Schema.Struct<{") ? fields(symbol, node) : undefined
      const typed = `const ${name}: ${members === undefined ? type : `Schema.Struct<${braced(members)}>`}`
      // A schema reads best as it is written, unless fields of it are written elsewhere.
      const isReadable = type.startsWith("Schema.") && !source.includes("...")
      return {
        kind: Ast.isVariableDeclaration(node) ? "const" : "function",
        name,
        signature: members === undefined ? `: ${type}` : ": Schema.Struct<{ … }>",
        source: isReadable ? source : typed,
        documentation,
        members: members ?? [],
      }
    }
    if (!Ast.isTypeAliasDeclaration(node) && !Ast.isInterfaceDeclaration(node) && !Ast.isClassDeclaration(node)) {
      throw new Error(
        `"${name}" is exported as a ${Ast.SyntaxKind[node.kind]}, which scripts/Declarations.ts cannot read`,
      )
    }
    const parameters = (node.typeParameters ?? []).map((parameter) => oneLine(print(parameter))).join(", ")
    const generic = parameters === "" ? "" : `<${parameters}>`
    const listed = (literals: ReadonlyArray<Ast.TypeLiteralNode>) =>
      literals.flatMap(({ members }) => members.map((one) => member(file, one)))
    const brief = (of: Node, literals: ReadonlyArray<Node>) =>
      literals.reduce((text, literal) => text.replace(oneLine(print(literal)), "{ … }"), oneLine(print(of)))

    if (Ast.isTypeAliasDeclaration(node)) {
      if (Ast.isUnionTypeNode(node.type) && objectTypes(node.type).length > 0) {
        const members = node.type.types.map((one) => ({
          name: "",
          signature: `| ${oneLine(print(one))}`,
          documentation: "",
        }))
        return { kind: "type", name, signature: `${generic} =`, source, documentation, members }
      }
      const isObject = Ast.isTypeLiteralNode(node.type) || Ast.isIntersectionTypeNode(node.type)
      const literals = isObject ? objectTypes(node.type) : []
      const signature = `${generic} = ${brief(node.type, literals)}`
      return {
        kind: "type",
        name,
        signature,
        source,
        documentation,
        members: listed(literals),
      }
    }
    const clauses = [...(node.heritageClauses ?? [])]
    if (Ast.isInterfaceDeclaration(node)) {
      const signature = [generic, ...clauses.map(print).map(oneLine)].join(" ").trimEnd()
      const members = node.members.map((one) => member(file, one))
      return { kind: "interface", name, signature, source, documentation, members }
    }
    const literals = clauses.flatMap(objectTypes)
    const own = node.members.flatMap((one) => classMember(file, one))
    const head = clauses.length === 0 ? `class ${name}${generic}` : until(clauses[clauses.length - 1] ?? node)
    if (clauses.some((clause) => print(clause).startsWith("extends Schema.Opaque<"))) {
      return {
        kind: "class",
        name,
        signature: ` extends Schema.Opaque<${name}>`,
        source: `${head} {}`,
        documentation,
        members: properties(symbol, node),
      }
    }
    return {
      kind: "class",
      name,
      signature: [generic, ...clauses.map((clause) => brief(clause, literals))].join(" ").trimEnd(),
      source: `${head} ${braced(own)}`,
      documentation,
      members: [...listed(literals), ...own],
    }
  }

  return [...modules].map(([path, module]) => {
    const file = program.getSourceFile(path)
    const exports = exportsOf(module).flatMap(({ name, path, symbol }): ReadonlyArray<Declaration | Reference> => {
      const home = modules.get(path)
      if (home !== undefined && (isModule(symbol) || home !== module)) {
        const declaration = isModule(symbol) ? undefined : symbol.name
        return [{ kind: "re-export", name, module: plain(home), declaration }]
      }
      const nodes = symbol.declarations.flatMap((handle) => handle.resolve(project) ?? [])
      return nodes.map((node) => declaration(name, symbol, node))
    })
    return {
      ...plain(module),
      documentation: file === undefined ? "" : documentationOfFile(file),
      exports: exports.sort((a, b) => byCodeUnit(a.name, b.name) || byCodeUnit(a.kind, b.kind)),
    }
  })
}
