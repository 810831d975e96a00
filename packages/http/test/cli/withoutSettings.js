/** The command without the settings of `main.js`. */
const { run } = await import("../../src/cli/Understudy.ts")

run()
