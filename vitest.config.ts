import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["packages/*/test/**/*.test.ts", "examples/**/*.test.ts", "test/**/*.test.ts"],
    typecheck: { enabled: false },
    testTimeout: 30_000,
    maxConcurrency: 3,
    // By default a core is left free: of two, one would wait while tests wait for sockets.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    pool: "threads",
  },
})
