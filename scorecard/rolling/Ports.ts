/**
 * Ports that a process can leave and take again: outside the range from which the kernel gives ports to outgoing connections,
 * one of which could take it meanwhile.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import { once } from "node:events"
import { createServer } from "node:net"

const listens = (port: number) =>
  Effect.tryPromise(async () => {
    const server = createServer().listen(port, "127.0.0.1")
    await once(server, "listening")
    server.close()
    await once(server, "close")
    return port
  })

/** A port below Linux's first port for outgoing connections (32768) that is free now. */
export const lasting: Effect.Effect<number> = Random.nextIntBetween(12_000, 32_000).pipe(
  Effect.flatMap(listens),
  Effect.retry(Schedule.recurs(100)),
  Effect.orDie,
)
