/** The gateway, to mount in an application's own `HttpRouter` or to serve by itself. */
export * as Gateway from "./Gateway.ts"
export * as Guard from "./auth/Auth.ts"
export * as Server from "./Server.ts"
