/** What is measured, and how a run measures it. */
import type { ChildProcess } from "node:child_process"
import type { Foreign } from "./children.ts"
import type { Revision } from "./revision.ts"

/** Where and how a run measures. */
export interface Setting {
  readonly upstream: Target
  /** A folder to write configuration in. */
  readonly folder: string
  /** The load generator. */
  readonly generator: ChildProcess
  readonly rounds: number
  readonly quick: boolean
  /** Another revision of Understudy to measure beside this one. */
  readonly against?: Revision | undefined
  /** Where the gateway's CPU profile goes, if one is wanted. */
  readonly profile?: string | undefined
  /** Whether a target is measured, by its name. */
  readonly includes: (name: string) => boolean
  /** Reports progress. */
  readonly say: (text: string) => void
}

/** How a server is called. */
export interface Asked {
  readonly port: number
  /** The model to ask for. */
  readonly model: string
  readonly headers: Readonly<Record<string, string>>
}

/** A server that answers. */
export interface Target extends Asked {
  readonly child: ChildProcess
}

/** A server that can be started as a program of its own. */
export interface Program extends Asked, Foreign {}

/** A target that can be started. Its name is its column in a table and its name in `--only`. */
export interface Spec {
  readonly name: string
  readonly title: string
  /** Whether it is left out, rather than the run ended, if it cannot be measured. */
  readonly optional?: boolean
  readonly start: (setting: Setting) => Promise<Target>
  /** How it is started, where the start itself is measured. */
  readonly program?: (setting: Setting) => Promise<Program>
}
