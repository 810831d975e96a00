/** The limits of realtime sessions: the section `server.realtime` of a configuration. */
import * as ByteSize from "effect/ByteSize"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"

export interface Settings {
  /** How long a session may be without a message of either end. Default: 1 hour, which is no limit of its own. */
  readonly idle: Duration.Duration
  /** How long a session may last. Default: 1 hour, as OpenAI's. */
  readonly maxDuration: Duration.Duration
  /** The size of the largest message of a client. Default: 16 MB. */
  readonly maxMessage: ByteSize.ByteSize
}

export const defaults: Settings = {
  idle: Duration.hours(1),
  maxDuration: Duration.hours(1),
  maxMessage: ByteSize.megabytes(16),
}

/** The settings of the server in context; `false` if sessions are switched off. */
export const Current: Context.Reference<Settings | false> = Context.Reference<Settings | false>(
  "@understudy/http/RealtimeSettings",
  { defaultValue: () => defaults },
)
