#!/usr/bin/env bash
# What a wait of a fibre costs in Node: an AsyncResource.
#
# Seen with effect 4.1.0 (npm) on Node 20 and 24, 2026-11-29: a fibre creates an `AsyncResource` of type `effect/Fiber` each
# time it waits, and destroys it when it goes on, whether or not anything uses `AsyncLocalStorage` or `async_hooks`. No
# option turns this off. Effect takes the class from `process.getBuiltinModule` when it is loaded, and makes none where
# that gives nothing. A fibre that does not wait makes none.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund effect@4.1.0

cat >count.mjs <<'JS'
import { createHook } from "node:async_hooks"
let resources = 0
createHook({ init: (_id, type) => (resources += type === "effect/Fiber" ? 1 : 0) }).enable()
if (process.argv[2] === "hidden") {
  const { getBuiltinModule } = process
  process.getBuiltinModule = (id) => (id === "node:async_hooks" ? undefined : getBuiltinModule(id))
}
const Effect = await import("effect/Effect")
const wait = Effect.callback((resume) => void setImmediate(() => resume(Effect.void)))
const run = async (what, effect) => {
  resources = 0
  await Effect.runPromise(effect)
  console.log(`${what}: ${resources}`)
}
await run("a fibre that does not wait", Effect.void)
await run("a fibre that waits once", wait)
await run("a fibre that waits a hundred times", Effect.replicateEffect(wait, 100, { discard: true }))
JS
{ node count.mjs && echo "without the class:" && node count.mjs hidden; } | tee seen
diff seen - <<'SEEN'
a fibre that does not wait: 0
a fibre that waits once: 1
a fibre that waits a hundred times: 100
without the class:
a fibre that does not wait: 0
a fibre that waits once: 0
a fibre that waits a hundred times: 0
SEEN
