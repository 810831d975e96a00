/**
 * One turn of a coding agent whose primary is down: it reads a file with a tool, by way of another vendor's deployment.
 */
import * as FaultServer from "@understudy/providers/testing"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as Effect from "effect/Effect"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Client } from "./Client.ts"
import { clients } from "./Client.ts"
import { install } from "./Install.ts"
import { folder, run, serve } from "../Process.ts"
import type { Vendor } from "./Vendor.ts"
import { vendors } from "./Vendor.ts"

const playbill = "Tonight the part of Hamlet is played by the understudy."
const prompt = "Read playbill.txt and say what is on it."

/** A coding agent, and what it does in its turn. */
interface Agent {
  readonly client: Client
  /** Its vendor where the run names no other. */
  readonly backup: Vendor
  /** Flags that have it print JSON and run its tools without asking. */
  readonly args: ReadonlyArray<string>
  /** What the backup has it do with the file at this path. */
  readonly call: (file: string) => { readonly tool: string; readonly arguments: string }
  /** What it tells its user, from an event that it prints. */
  readonly said: (event: Event) => string | undefined
}

/** A line of JSON that a client prints. */
interface Event {
  readonly type?: string
  readonly result?: string
  readonly item?: { readonly type?: string; readonly text?: string }
}

export const agents: Readonly<Record<string, Agent>> = {
  claude: {
    client: clients["claude"]!,
    backup: "openai",
    args: ["--output-format", "stream-json", "--verbose", "--permission-mode", "dontAsk"],
    call: (file) => ({ tool: "Read", arguments: JSON.stringify({ file_path: file }) }),
    said: ({ result, type }) => (type === "result" ? result : undefined),
  },
  codex: {
    client: clients["codex"]!,
    backup: "anthropic",
    args: ["--json"],
    call: (file) => ({ tool: "exec_command", arguments: JSON.stringify({ cmd: `cat ${file}` }) }),
    said: ({ item, type }) => (type === "item.completed" && item?.type === "agent_message" ? item.text : undefined),
  },
}

const eventsOf = (printed: string): ReadonlyArray<Event> =>
  printed.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line) as Event] : []))

/** Three minutes for a turn. */
const limit = 180_000

/** How the turn is broken: the primary's fault by its name, and the backup's vendor. */
export interface Trouble {
  readonly fault: string
  readonly backup: Vendor | undefined
}

/** Whether the agent read the file by way of the backup, and said so. */
export const turn = async (name: string, agent: Agent, { backup, fault }: Trouble): Promise<boolean> => {
  const { client } = agent
  await install(client.packages)
  return Effect.runPromise(
    Effect.scoped(
      Effect.flatMap(FaultServer.make(), (upstream) =>
        Effect.promise(async () => {
          const [home, work] = [join(folder, name, "home"), join(folder, name, "work")]
          for (const path of [home, work]) mkdirSync(path, { recursive: true })
          const file = join(work, "playbill.txt")
          writeFileSync(file, `${playbill}\n`)
          const config = join(folder, `${name}.yaml`)
          writeFileSync(
            config,
            `deployments:
  primary: { model: primary, ${vendors[client.vendor](upstream.url)} }
  backup: { model: backup, ${vendors[backup ?? agent.backup](upstream.url)} }
routes:
  assistant: { fallback: [primary, backup], retry: { times: 0 } }
`,
          )
          await Effect.runPromise(
            Effect.andThen(
              upstream.script("primary", fault),
              upstream.script("backup", [Behavior.answer(agent.call(file)), Behavior.answer()]),
            ),
          )
          const gateway = await serve(config)
          const { args, env, program } = client.command({ gateway: gateway.url, model: "assistant", home, prompt })
          const { code, err, out } = await run(limit, program, [...args, ...agent.args], work, {
            PATH: process.env["PATH"],
            HOME: home,
            ...env,
          })
          gateway.stop()
          const answer = eventsOf(out)
            .flatMap((event) => agent.said(event) ?? [])
            .at(-1)
          const requests = await Effect.runPromise(upstream.requests)
          console.log(`${client.title} ${client.version}`)
          for (const { behavior, model, path, vendor } of requests)
            console.log(`  asked of ${model}, ${vendor}: POST ${path}: ${behavior._tag}`)
          console.log(`  said: ${answer ?? "nothing"}`)
          const came = code === 0 && answer?.includes(playbill) === true
          console.log(
            came
              ? "  It ran its tool and had its answer, though its primary was down.\n"
              : `  FAILED, ended with ${code ?? "a signal"}\n${out}\n${err}`,
          )
          return came
        }),
      ),
    ),
  )
}
