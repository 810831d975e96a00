/** The files of undici that `Connections.ts` imports, which have no declarations of their own. */
declare module "undici/lib/dispatcher/agent.js" {
  export { Agent as default } from "undici"
}
declare module "undici/lib/dispatcher/client.js" {
  export { Client as default } from "undici"
}
declare module "undici/lib/dispatcher/pool.js" {
  export { Pool as default } from "undici"
}
declare module "undici/lib/dispatcher/proxy-agent.js" {
  export { ProxyAgent as default } from "undici"
}
