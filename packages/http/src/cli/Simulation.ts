/**
 * The default configuration of `serve`: two simulated deployments, without network or cost.
 */

/** The configuration as YAML. */
export const yaml = `deployments:
  primary: { provider: simulated, model: simulated, latency: 300ms, firstToken: 150ms, tokenDelay: 25ms }
  backup:  { provider: simulated, model: simulated, latency: 400ms, firstToken: 200ms, tokenDelay: 25ms }
routes:
  assistant: [primary, backup]
  balanced:  { balance: least-busy, across: [primary, backup] }
defaults:
  retry: { times: 0 }
`
