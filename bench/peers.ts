/** Other gateways in front of the same upstream. Each is installed on first use, and left out if it cannot be. */
import { setTimeout as pause } from "node:timers/promises"
import { type Pace, rows, type Sample, tell, turn, warm } from "./calls.ts"
import { columns, endAll, interleave, inTurn, type Running, startAll } from "./measure.ts"
import { gomodel } from "./peers/gomodel.ts"
import { litellm } from "./peers/litellm.ts"
import { portkey } from "./peers/portkey.ts"
import { switchyard } from "./peers/switchyard.ts"
import { residentMegabytes } from "./process.ts"
import { bar, type Section } from "./table.ts"
import type { Setting } from "./target.ts"
import { gateway, proxy, upstream } from "./targets.ts"

const pace: Pace = { warm: 5, throughput: 2, latency: 1, stream: 2, firstToken: 1 }

export const peers = async (given: Setting): Promise<Section> => {
  const setting = { ...given, rounds: Math.min(given.rounds, 3) }
  const started = await startAll<Sample>(setting, [proxy, gateway, gomodel, litellm, portkey, switchyard])
  await pause(2000)
  const idle = Object.fromEntries(started.map(({ spec, target }) => [spec.name, residentMegabytes(target.child.pid!)]))
  const direct: Running<Sample> = { spec: upstream, target: setting.upstream, samples: [] }
  const warmed = await inTurn(setting, [direct, ...started], ({ target }) => warm(setting, target, pace.warm))
  const lasting = await interleave(setting, warmed, (target) => turn(setting, target, pace), tell)
  const running = lasting.filter(({ spec }) => spec !== upstream)
  endAll(running)

  const { added, cpu, cpuEvent, events, firstToken, memory, p99, throughput } = rows(running, direct.samples)
  return {
    title: "peers",
    columns: columns(running),
    ratios: [],
    rows: [
      cpu,
      cpuEvent,
      { title: "memory idle, MB", digits: 0, values: idle },
      memory,
      throughput,
      added,
      p99,
      events,
      firstToken,
    ],
    bars: [
      bar("throughput of Portkey", throughput, "gateway", "portkey", { atLeast: 3 }),
      bar("added latency of Portkey", added, "gateway", "portkey", { atMost: 0.6 }),
    ],
  }
}
