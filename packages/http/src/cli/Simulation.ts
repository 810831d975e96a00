/**
 * What `serve` serves when nobody says what: two simulated deployments, for a first look that costs nothing.
 */

/** The configuration, as its author would have written it. */
export const yaml = `deployments:
  primary: { provider: simulated, model: simulated, latency: 300ms, firstToken: 150ms, tokenDelay: 25ms }
  backup:  { provider: simulated, model: simulated, latency: 400ms, firstToken: 200ms, tokenDelay: 25ms }
routes:
  assistant: [primary, backup]
  balanced:  { balance: least-busy, across: [primary, backup] }
defaults:
  retry: { times: 0 }
`
