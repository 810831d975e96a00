/**
 * The scenarios that come with Understudy. Each is made for a configuration: it befalls the deployment that its routes name
 * first, with its vendor or its region, since the others are there for it. Incidents begin when a third of the time is over.
 */
import * as Duration from "effect/Duration"
import type { Behavior, Failure } from "./Behavior.ts"
import type { Placed, Scenario, Place } from "./Scenario.ts"

/** What a scenario is made for. */
export interface Setting {
  /** In the order in which routes name them. */
  readonly deployments: ReadonlyArray<Placed>
  /** How long the rehearsal lasts, in milliseconds. */
  readonly length: number
  /** Calls a second. */
  readonly rate: number
}

/** A scenario by name. */
export interface Shipped {
  readonly name: string
  readonly description: string
  readonly make: (setting: Setting) => Scenario
}

/** Rare failures that every provider has. */
const everyday: Partial<Behavior> = {
  failures: [
    failure(0.002, "ServerError", 500, { median: 300, p95: 2000 }),
    failure(0.001, "Overloaded", 529, { median: 200, p95: 1000 }),
  ],
  cut: 0.0005,
  stall: 0.0002,
}

function failure(
  share: number,
  reason: "ServerError" | "Overloaded" | "Authentication",
  status: number,
  after: Failure["after"] = 100,
): Failure {
  return { share, reason: { _tag: reason }, status, after }
}

const minutes = (count: number): number => Duration.toMillis(Duration.minutes(count))

/** An incident takes the time that it would, or less if that is more than a third of the rehearsal. */
const during = ({ length }: Setting, usual: number) => ({ from: length / 3, for: Math.min(usual, length / 3) })

/** The vendor of the first deployment; if that is not known, the deployment. */
const firstVendor = ({ deployments: [first] }: Setting): Place =>
  first === undefined ? {} : first.vendor === undefined ? { deployments: [first.name] } : { vendor: first.vendor }

/** The region of the first deployment that has one, at its vendor; else the first deployment. */
const firstRegion = ({ deployments }: Setting): Place => {
  const placed = deployments.find(({ region }) => region !== undefined)
  if (placed !== undefined) return { vendor: placed.vendor, region: placed.region }
  return firstDeployment({ deployments })
}

const firstDeployment = ({ deployments: [first] }: Pick<Setting, "deployments">): Place =>
  first === undefined ? {} : { deployments: [first.name] }

const shipped = (
  name: string,
  description: string,
  make: (
    setting: Setting,
  ) => Pick<Scenario, "incidents" | "traffic"> & { readonly deployments?: Scenario["deployments"] },
): Shipped => ({
  name,
  description,
  make: (setting) => ({ name, description, deployments: { "*": everyday }, ...make(setting) }),
})

export const all: ReadonlyArray<Shipped> = [
  shipped("calm", "An ordinary time: a few failures in a thousand calls, nothing else.", () => ({})),
  shipped("vendor-outage", "The first vendor cannot be reached for an hour.", (setting) => ({
    incidents: [{ ...during(setting, minutes(60)), where: firstVendor(setting), change: { outage: true } }],
  })),
  shipped(
    "region-brownout",
    "For an hour the first region takes four times as long, and every fifth call fails with 503.",
    (setting) => ({
      incidents: [
        {
          ...during(setting, minutes(60)),
          where: firstRegion(setting),
          change: { slower: 4, failures: [failure(0.2, "Overloaded", 503, { median: 1000, p95: 5000 })] },
        },
      ],
    }),
  ),
  shipped(
    "quota-halved",
    "The quota of the first deployment, which was a fifth more than all calls need, is halved for the rest of the time.",
    (setting) => ({
      deployments: {
        "*": everyday,
        ...Object.fromEntries(
          (firstDeployment(setting).deployments ?? []).map((name) => [
            name,
            { ...everyday, quota: { rpm: setting.rate * 60 * 1.2 } },
          ]),
        ),
      },
      incidents: [
        {
          from: setting.length / 3,
          for: setting.length,
          where: firstDeployment(setting),
          change: { quota: 0.5 },
        },
      ],
    }),
  ),
  shipped("expired-key", "The key of the first vendor expires, and is replaced an hour later.", (setting) => ({
    incidents: [
      {
        ...during(setting, minutes(60)),
        where: firstVendor(setting),
        change: { failures: [failure(1, "Authentication", 401)] },
      },
    ],
  })),
  shipped(
    "slow-first-token",
    "For an hour the first deployment takes ten times as long until its first token.",
    (setting) => ({
      incidents: [
        { ...during(setting, minutes(60)), where: firstDeployment(setting), change: { slowerFirstToken: 10 } },
      ],
    }),
  ),
  shipped(
    "retry-storm",
    "All vendors fail every second call for ten minutes, and clients make a failed call again up to five times at once.",
    (setting) => ({
      incidents: [
        {
          ...during(setting, minutes(10)),
          where: {},
          change: { failures: [failure(0.5, "Overloaded", 503, { median: 300, p95: 1000 })] },
        },
      ],
      traffic: { clientRetries: { times: 5, after: 100 } },
    }),
  ),
  shipped(
    "thundering-herd",
    "Nothing can be reached for 15 minutes; then five minutes bring eight times the calls, to vendors with quotas.",
    (setting) => {
      const outage = during(setting, minutes(15))
      return {
        deployments: { "*": { ...everyday, quota: { rpm: setting.rate * 60 * 2 } } },
        incidents: [{ ...outage, where: {}, change: { outage: true } }],
        traffic: {
          bursts: [{ from: outage.from + outage.for, for: Math.min(minutes(5), setting.length / 9), factor: 8 }],
          clientRetries: { times: 2, after: 1000 },
        },
      }
    },
  ),
]

/** The scenario of a name; `undefined` if none has it. */
export const find = (name: string): Shipped | undefined => all.find((each) => each.name === name)
