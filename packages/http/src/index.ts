/** The gateway, to mount in an application's own `HttpRouter` or to serve by itself. */
export * as Gateway from "./Gateway.ts"
export * as Auth from "./auth/Auth.ts"
export * as Server from "./Server.ts"
