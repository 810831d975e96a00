/** Another revision of this repository, checked out and installed to be measured beside the working tree. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs"
import { join } from "node:path"
import { cache, repository, run } from "./cache.ts"

export interface Revision {
  /** As it was asked for: the title of its column. */
  readonly name: string
  /** The root of its files. */
  readonly root: string
}

export const workingTree: Revision = { name: "", root: repository }

/**
 * Checks out `name` (a commit, branch or tag) into the cache and installs it by its own lockfile, with the
 * version of pnpm that its `bootstrap` script names. Both are done once for each commit. Installs offline if pnpm's store has
 * the packages.
 */
export const checkout = async (name: string): Promise<Revision> => {
  const { stdout } = await run("git", ["rev-parse", "--verify", `${name}^{commit}`], { cwd: repository })
  const commit = stdout.trim()
  const root = join(cache, "revisions", commit)
  if (existsSync(root)) return { name, root }
  const unfinished = `${root}.unfinished`
  rmSync(unfinished, { recursive: true, force: true })
  mkdirSync(unfinished, { recursive: true })
  const archive = `${unfinished}.tar`
  await run("git", ["archive", `--output=${archive}`, commit], { cwd: repository })
  await run("tar", ["-xf", archive, "-C", unfinished])
  rmSync(archive)
  const manifest = JSON.parse(readFileSync(join(unfinished, "package.json"), "utf8")) as {
    readonly scripts: { readonly bootstrap: string }
  }
  const pnpm = /pnpm@[\w.-]+/.exec(manifest.scripts.bootstrap)
  if (pnpm === null) throw new Error(`the script "bootstrap" of ${name} does not say which pnpm installs it`)
  await run("npx", ["--yes", pnpm[0], "install", "--frozen-lockfile", "--prefer-offline"], { cwd: unfinished })
  renameSync(unfinished, root)
  return { name, root }
}
