/**
 * Which deployments are served nearby, by a server of one's own: it may have to load its model first, and serves few calls
 * at a time.
 */
import * as Compatible from "./openai/Compatible.ts"

/** Whether a vendor is a server that one runs oneself, and so asks for no key of its own. */
export const isServer = (vendor: string): boolean =>
  Object.entries<Compatible.Vendor>(Compatible.vendors).some(
    ([name, { variable }]) => name === vendor && variable === undefined,
  )

/** Whether a vendor's provider at the address that was named for it is local. */
export const isLocal = (vendor: string, url: string | undefined): boolean =>
  isServer(vendor) || (url !== undefined && URL.canParse(url) && isLocalHost(new URL(url).hostname))

/** The names by which this machine, or one beside it, is meant. */
const isLocalHost = (host: string): boolean =>
  /^(?:localhost|.+\.localhost|.+\.local|host\.docker\.internal|127(?:\.\d+){3}|0\.0\.0\.0|\[::1?\]|\[::ffff:7f.*\])$/i.test(
    host,
  )
