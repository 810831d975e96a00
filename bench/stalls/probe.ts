/** Preloaded into the gateway: answers each message of its parent with what its event loop has waited at most since the last. */
import { monitorEventLoopDelay } from "node:perf_hooks"

const delay = monitorEventLoopDelay({ resolution: 5 })
delay.enable()
let cpu = process.cpuUsage()

process.on("message", () => {
  const { system, user } = process.cpuUsage(cpu)
  // Until the loop has turned once more, the last wait is not counted.
  setTimeout(() => {
    process.send!({ stall: delay.max / 1e6, cpu: (user + system) / 1000, memory: process.memoryUsage.rss() / 1e6 })
    delay.reset()
    cpu = process.cpuUsage()
  }, 20)
})
process.channel?.unref()
