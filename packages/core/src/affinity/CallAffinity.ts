/**
 * The conversation of one call: where the balances of its route keep it, and where it is once a deployment has answered.
 */
import * as Effect from "effect/Effect"
import type { Call } from "../model/Call.ts"
import type * as Chat from "../model/Chat.ts"
import type { Affinity, Receipt } from "../receipt/Receipt.ts"
import type { AffineBalance, BoundRoute } from "../route/BoundRoute.ts"
import type { Step } from "../route/Plan.ts"
import type { AffinityStore } from "./AffinityStore.ts"
import type { ConversationKeys } from "./Conversation.ts"
import * as Conversation from "./Conversation.ts"

type Store = AffinityStore["Service"]

/** Whether the route keeps the conversations of such calls: those that have a prompt. */
export const isKept = ({ affine }: Pick<BoundRoute, "affine">, { operation }: Call): boolean =>
  affine.length > 0 && operation === "chat"

/** Finds the conversation of a call. From now on it is kept for as long as its balance says. */
export const find = (store: Store, route: BoundRoute, call: Call): Effect.Effect<CallAffinity | undefined> =>
  lookUp(store, route, call, true)

/** As `find`, for a call that is only explained: changes nothing. */
export const peek = (store: Store, route: BoundRoute, call: Call): Effect.Effect<CallAffinity | undefined> =>
  lookUp(store, route, call, false)

const lookUp = (
  store: Store,
  route: BoundRoute,
  call: Call,
  isMade: boolean,
): Effect.Effect<CallAffinity | undefined> => {
  if (!isKept(route, call) || !isChat(call)) return Effect.undefined
  let places: Effect.Effect<ReadonlyArray<Place>> = Effect.succeed([])
  route.affine.forEach((balance, index) => {
    const keys = Conversation.keysOf(call, balance.affinity.by, `${route.name}/${index}`)
    if (keys === undefined) return
    const found = store.find(keys.find, isMade ? balance.affinity.ttl : undefined)
    places = Effect.flatMapEager(places, (before) =>
      Effect.mapEager(found, (kept) => [...before, { balance, keys, kept }]),
    )
  })
  return Effect.mapEager(places, (places) => (places.length === 0 ? undefined : new CallAffinity(store, places)))
}

const isChat = (call: Call): call is Call<Chat.Request> => "messages" in call.request

/** The conversation at one balance of the route. */
interface Place {
  readonly balance: AffineBalance
  readonly keys: ConversationKeys
  /** The deployment on which it is kept. */
  readonly kept: string | undefined
}

export class CallAffinity {
  readonly #store: Store
  readonly #places: ReadonlyArray<Place>

  constructor(store: Store, places: ReadonlyArray<Place>) {
    this.#store = store
    this.#places = places
  }

  /** The deployment on which a balance keeps the conversation, if it does. */
  readonly kept = (balance: object): string | undefined => this.#places.find((place) => place.balance === balance)?.kept

  /**
   * Keeps the conversation on the deployment of the step that answers, and returns what became of it: `undefined` if the step is
   * in no balance that keeps conversations, and none was moved.
   */
  answered(step: Step, receipt: Receipt): Effect.Effect<Affinity | undefined> {
    const deployment = step.leaf.candidate.name
    const place = this.#places.find(({ balance }) => balance.across === step.peers)
    if (place === undefined) return Effect.succeed(this.#movedOutside(receipt))
    const { balance, keys, kept } = place
    const became = becameOf(kept, deployment, receipt)
    // Under its only key, it has been kept for longer when it was found.
    return kept === deployment && keys.find.length === 1
      ? Effect.succeed(became)
      : Effect.mapEager(this.#store.set(keys.keep, deployment, balance.affinity.ttl), () => became)
  }

  /** What became of the conversation when a deployment outside of its balance answers. */
  #movedOutside(receipt: Receipt): Affinity | undefined {
    for (const { kept } of this.#places) {
      const reason = kept === undefined ? undefined : whyNot(kept, receipt)
      if (reason !== undefined) return { result: "moved", from: kept, reason }
    }
    return undefined
  }
}

const becameOf = (kept: string | undefined, deployment: string, receipt: Receipt): Affinity => {
  if (kept === undefined) return { result: "new" }
  return kept === deployment
    ? { result: "kept" }
    : { result: "moved", from: kept, reason: whyNot(kept, receipt) ?? "Removed" }
}

/** Why a deployment did not answer; `undefined` if it was neither tried nor skipped. */
const whyNot = (deployment: string, { attempts, skipped }: Receipt): Affinity["reason"] =>
  attempts.findLast((attempt) => attempt.deployment === deployment && attempt.reason !== undefined)?.reason ??
  skipped.findLast((skip) => skip.deployment === deployment)?.reason._tag
