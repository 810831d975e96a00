/**
 * Which deployments have a local server. It may have to load its model before it answers, and serves few calls at a time.
 */
import * as Compatible from "./openai/Compatible.ts"

/** Whether a vendor is a self-hosted server, which needs no key. */
export const isServer = (vendor: string): boolean =>
  Object.entries<Compatible.Vendor>(Compatible.vendors).some(
    ([name, { variable }]) => name === vendor && variable === undefined,
  )

/** Whether a vendor at a configured address is local. */
export const isLocal = (vendor: string, url: string | undefined): boolean =>
  isServer(vendor) || (url !== undefined && URL.canParse(url) && isLocalHost(new URL(url).hostname))

/** Whether a host name is of this machine or the local network. */
const isLocalHost = (host: string): boolean =>
  /^(?:localhost|.+\.localhost|.+\.local|host\.docker\.internal|127(?:\.\d+){3}|0\.0\.0\.0|\[::1?\]|\[::ffff:7f.*\])$/i.test(
    host,
  )
