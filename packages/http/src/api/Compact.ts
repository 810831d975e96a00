/**
 * `POST /v1/responses/compact`: the user's messages of a conversation, then one compaction item in place of all else. The call is
 * that of an input with a `compaction_trigger`: see `Compaction`.
 */
import type { Router } from "@understudy/core/Router"
import * as Chat from "@understudy/core/Chat"
import type { ClientProtocol } from "@understudy/providers/internal/protocols/ClientProtocol"
import * as Json from "@understudy/providers/internal/protocols/Json"
import * as Responses from "@understudy/providers/protocols/responses"
import * as Items from "../responses/Items.ts"
import * as Endpoint from "./Endpoint.ts"

/** `decode` decodes the body of a call. `prepare`: as in `Endpoint.handle`. */
export const handle = (
  router: Router["Service"],
  decode: ClientProtocol["Request"]["decode"],
  prepare?: Endpoint.Prepare,
): Endpoint.Handler => Endpoint.handle(router, protocol(decode), {}, prepare)

const protocol = (decode: ClientProtocol["Request"]["decode"]): ClientProtocol => ({
  ...Responses,
  // The provider's text is never that of the response.
  protocol: "responses.compact",
  Request: {
    decode: (body, address) => decode(triggered(body), address),
    isStream: () => false,
  },
  Response: {
    encode: (response, { created, id, request }) => {
      const { body, usage } = ofProvider(response)
      const item = body === undefined ? undefined : Json.list(body["output"]).find(isCompaction)
      return {
        id: `resp_${id}`,
        object: "response.compaction",
        created_at: created,
        output: [
          ...Items.listed(Items.ofInput(request.native?.body["input"]).filter(isOfUser), id),
          item ?? Responses.Compaction.item(id, Chat.text(response)),
        ],
        usage,
      }
    },
  },
})

/** A body whose call compacts its input. Nothing of it is stored. */
const triggered = (body: Record<string, unknown>): Record<string, unknown> => ({
  ...body,
  input: [...Items.ofInput(body["input"]), { type: Responses.Compaction.trigger }],
  store: false,
})

const ofProvider = ({ native, usage }: Chat.Response) => {
  const body = native?.protocol === Responses.protocol ? Json.fields(native.body) : undefined
  return { body, usage: body?.["usage"] ?? (usage === undefined ? null : Responses.Usage.encode(usage)) }
}

const isCompaction = (item: unknown): boolean => Json.fields(item)["type"] === "compaction"

const isOfUser = (item: unknown): boolean => Json.fields(item)["role"] === "user"
