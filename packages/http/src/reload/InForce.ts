/** The configuration that is in force, and what the observers of calls look up in it. */
import * as Config from "@understudy/providers/Config"
import * as Prices from "@understudy/providers/internal/Prices"
import type { Configuration } from "../Config.ts"
import type * as Rows from "../ledger/Rows.ts"

export class InForce {
  #configuration: Configuration
  #options: Config.Options
  /** The deployments by name, those of former configurations too: their last calls end after a reload. */
  readonly deployments: Record<string, Rows.Deployment> = {}
  /** The deployments that no vendor bills. Changes with the configuration. */
  readonly unbilled = new Set<string>()

  /** `configuration`: with its prices. */
  constructor(configuration: Configuration) {
    this.#configuration = configuration
    this.#options = Config.toOptions(configuration)
    this.#index()
  }

  get configuration(): Configuration {
    return this.#configuration
  }

  /** The options of the router. */
  get options(): Config.Options {
    return this.#options
  }

  /** The options of the router for another configuration. */
  optionsFor(configuration: Configuration, changedVariables: ReadonlySet<string>): Config.Options {
    return Config.toOptions(configuration, { settings: this.#configuration, options: this.#options, changedVariables })
  }

  replace(configuration: Configuration, options: Config.Options): void {
    this.#configuration = configuration
    this.#options = options
    this.#index()
  }

  #index(): void {
    for (const [name, deployment] of Object.entries(this.#configuration.deployments)) {
      this.deployments[name] = deployment
      if (Prices.source(deployment) === undefined) this.unbilled.add(name)
      else this.unbilled.delete(name)
    }
  }
}
