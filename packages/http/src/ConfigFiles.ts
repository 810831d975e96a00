/** The texts that a configuration is read from. */
import type * as DotEnv from "./DotEnv.ts"

export interface ConfigFiles {
  /** That of the configuration file; `null` without one. */
  readonly configuration: string | null
  readonly dotEnv: DotEnv.Texts
}
