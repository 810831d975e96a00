/**
 * Shows that the packages work as published: builds and packs them, installs the tarballs into an empty project with
 * npm, typechecks the README's library example there, and runs it; then starts the installed command and asks it for its
 * page and an answer. `--node 22.19.0` runs all of it under another Node.
 *
 *     npm run build && npm run packed [-- --node 22.19.0]
 */
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { parseArgs } from "node:util"

const root = join(import.meta.dirname, "..")
const { values } = parseArgs({ options: { node: { type: "string" } } })
const manifest = (path: string): Record<string, Record<string, string>> =>
  JSON.parse(readFileSync(join(root, path), "utf8"))

const project = mkdtempSync(join(tmpdir(), "understudy-packed-"))
const run = (command: string, args: ReadonlyArray<string>, cwd: string) => {
  console.log(`> ${command} ${args.join(" ")}`)
  execFileSync(command, args, { cwd, stdio: "inherit" })
}

/** Starts the installed gateway with its simulated deployments, and asks it for its page and an answer. */
const serve = async () => {
  console.log("> understudy serve")
  const path = `${join(project, "node_modules", ".bin")}${delimiter}${process.env["PATH"]}`
  const command = spawn("understudy", ["serve", "--port", "0"], { cwd: project, env: { ...process.env, PATH: path } })
  let printed = ""
  command.stderr.on("data", (text) => (printed += text))
  const url = await new Promise<string>((resolve, reject) => {
    command.stdout.on("data", (text) => {
      printed += text
      const [, url] = /serves (\S+)\/v1/.exec(printed) ?? []
      if (url !== undefined) resolve(url)
    })
    command.once("exit", () => reject(new Error(`the gateway ended\n${printed}`)))
  })
  const body = JSON.stringify({ model: "assistant", messages: [{ role: "user", content: "Hello" }] })
  const answers = [
    await fetch(url),
    await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    }),
  ]
  for (const { status, url } of answers) if (status !== 200) throw new Error(`${url} returned ${status}\n${printed}`)
  command.kill()
  await once(command, "exit")
}

try {
  const tarballs = join(project, "tarballs")
  mkdirSync(tarballs)
  for (const name of ["core", "providers", "http"]) {
    run("npx", ["--yes", "pnpm@12.21.0", "pack", "--pack-destination", tarballs], join(root, "packages", name))
  }
  const packed = (name: string) => `file:tarballs/${readdirSync(tarballs).find((file) => file.includes(`-${name}-`))}`
  const dev = manifest("package.json")["devDependencies"] ?? {}
  writeFileSync(
    join(project, "package.json"),
    JSON.stringify({
      private: true,
      type: "module",
      dependencies: {
        "@understudy/core": packed("core"),
        "@understudy/providers": packed("providers"),
        "@understudy/http": packed("http"),
        effect: "4.1.0",
        openai: "7.55.0",
        "@anthropic-ai/sdk": "1.11.0",
      },
      devDependencies: {
        "@types/node": dev["@types/node"],
        typescript: dev["typescript"],
        node: values.node ?? dev["node"],
      },
      // The tarballs name each other by version, which no registry has yet.
      overrides: { "@understudy/core": packed("core"), "@understudy/providers": packed("providers") },
    }),
  )
  const example = /## The library\n[\s\S]*?```ts\n([\s\S]*?)```/.exec(
    readFileSync(join(root, "README.md"), "utf8"),
  )?.[1]
  if (example === undefined) throw new Error('README.md has no ts block under "## The library"')
  writeFileSync(join(project, "app.ts"), example)
  writeFileSync(
    join(project, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        strict: true,
        module: "NodeNext",
        target: "ES2024",
        types: ["node"],
        noEmit: true,
      },
      include: ["app.ts"],
    }),
  )
  run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], project)
  const bin = (name: string) => join(project, "node_modules", ".bin", name)
  run(bin("node"), ["--version"], project)
  run(bin("tsc"), ["-p", "."], project)
  run(bin("tsc"), ["-p", ".", "--noEmit", "false", "--outDir", "out"], project)
  run(bin("node"), ["out/app.js"], project)
  run(bin("understudy"), ["--version"], project)
  await serve()
  console.log("The packages install, typecheck and run.")
} finally {
  rmSync(project, { recursive: true, force: true })
}
