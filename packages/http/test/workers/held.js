/** Holds the second worker before it is connected, until SIGUSR2. Loaded by `--import` before the program. */
if (process.env["UNDERSTUDY_WORKER"] === "2") {
  await new Promise((resolve) => {
    process.once("SIGUSR2", resolve)
    process.stdout.write(`Worker 2 is held (process ${process.pid})\n`)
    // Nothing else keeps the process.
    setInterval(() => {}, 1000).unref()
  })
}
