/** The Understudy gateway: endpoints for an application's `HttpRouter`, a server, and its authentication. */
export * as Gateway from "./Gateway.ts"
export * as Auth from "./auth/Auth.ts"
export * as Server from "./Server.ts"
