/**
 * Bundles the command `understudy` for the published package and the image, into `packages/http/bundle`: our code and
 * Effect's in few files, since a file loaded costs time and memory. What is imported dynamically stays a chunk of its own.
 * Dependencies of `@understudy/http` besides these are imported from `node_modules`, so that a newer version of an SDK is
 * used where it is installed.
 *
 *     npm run build
 */
import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { rolldown } from "rolldown"

const http = join(import.meta.dirname, "..", "packages", "http")
const output = join(http, "bundle")

const manifest = (folder: string): Readonly<Record<string, unknown>> =>
  JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))

const installed = Object.keys(manifest(http)["dependencies"] ?? {}).filter(
  (name) => !/^@(?:understudy|effect)\//.test(name),
)

/** The folder of the package that a file belongs to, where that is not ours. */
const packageOf = (file: string): string | undefined => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0]

/** The licence of a bundled package, which its copies must contain. */
const licence = (folder: string): string => {
  const { name, version, license } = manifest(folder)
  const [file] = globSync("LICEN[CS]E*", { cwd: folder })
  if (file === undefined) throw new Error(`${name} has no licence file, which the bundle must contain`)
  return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`
}

rmSync(output, { recursive: true, force: true })
const bundle = await rolldown({
  input: [join(http, "src", "main.js"), join(http, "src", "store", "SqliteWorker.ts")],
  platform: "node",
  external: (id) => installed.some((name) => id === name || id.startsWith(`${name}/`)),
})
const { output: files } = await bundle.write({
  dir: output,
  // Modules that read files of the package find them from the chunks: see `Dashboard` and `Understudy`. So does `Sqlite` its thread.
  entryFileNames: ({ name }) => (name === "main" ? "[name].js" : "chunks/[name].js"),
  chunkFileNames: "chunks/[name]-[hash].js",
  comments: { jsdoc: false, annotation: false, legal: true },
})
await bundle.close()

const packages = new Set(
  files.flatMap((file) => (file.type === "chunk" ? file.moduleIds : [])).flatMap((file) => packageOf(file) ?? []),
)
const licences = [...packages].sort().map(licence)
writeFileSync(join(output, "LICENSES.txt"), licences.join(`\n${"-".repeat(80)}\n\n`))
if (!existsSync(join(output, "main.js"))) throw new Error("the bundle has no main.js")
console.log(
  `packages/http/bundle: ${files.length} files, with ${licences.map((text) => text.split(" (", 1)[0]).join(", ")}`,
)
