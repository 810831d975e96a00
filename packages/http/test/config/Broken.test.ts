/**
 * Broken configurations, each with all its error messages.
 */
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync } from "node:fs"
import * as Strategy from "@understudy/core/internal/route/Strategy"
import { vendorNames } from "@understudy/providers/internal/Catalog"
import * as Config from "../../src/Config.ts"

const vendors = vendorNames.join(", ")
const strategies = Strategy.strategies.join(", ")
const sections = [
  "server",
  "state",
  "keys",
  "guardrails",
  "usageLog",
  "record",
  "database",
  "budgets",
  "ledger",
  "responses",
  "telemetry",
  "faultInjection",
  "defaults",
  "deployments",
  "routes",
].join(", ")

const expected: Readonly<Record<string, ReadonlyArray<string>>> = {
  "a-list": ["expected a mapping with `deployments` and perhaps `routes` and `defaults`, found a list"],
  accept: [
    'routes.word.accept: expected schema, or a mapping of schema, length and refusal, found "json"',
    "routes.nothing.accept: expected at least one of schema, length and refusal, found a mapping",
    "routes.lengths.accept.length: expected min, max or both, with `min` up to `max`, found a mapping",
    "routes.empty.accept.length: expected min, max or both, with `min` up to `max`, found a mapping",
    "routes.negative.accept.length.min: expected a whole number, 0 or more, found -1",
    'routes.schema.accept.schema: expected request, or a JSON Schema such as { type: object, required: [answer] }, found "json"',
    'routes.refusal.accept.refusal: expected false, or a mapping such as { startsWith: ["I cannot"] }, found true',
    'routes.beginnings.accept.refusal.startsWith: expected a list of beginnings such as ["I cannot"], found an empty list',
    "routes.misspelt.accept.lenght: unknown key `lenght`: did you mean `length`? Known keys: schema, length, refusal.",
  ],
  addresses: [
    'deployments.local.baseUrl: expected an http or https address, such as http://127.0.0.1:11434/v1, found "localhost:11434/v1"',
    'deployments.east.endpoint: expected an http or https address, such as https://bedrock-runtime.us-east-1.amazonaws.com, found "ftp://example.com"',
  ],
  affinity: [
    'routes.unknown.affinity.by: expected one of session, user, prefix, found "sesion"',
    'routes.unknown.affinity.for: expected a duration above 0, such as 500ms, 2s, 5m or 1h, found "0s"',
    'routes.short.affinity: expected a mapping of by, for, found "session"',
    "routes.fallback.affinity: unknown key `affinity`: it keeps a conversation on one of several deployments; set it beside a `balance`. Known keys: fallback, retry, timeout, cache, sse, shadow, faults, stream, fallbackOn, accept, unsupportedParams, onContextWindow, onContentPolicy, onError.",
    "routes.misspelt.fallback[0].affinity.ttl: unknown key `ttl`. Known keys: by, for.",
  ],
  guardrails: [
    "guardrails[0].name: is missing: name the guardrail, such as pii",
    'guardrails[0].url: expected an http or https address, such as https://guardrails.example.com/check, found "localhost:9000"',
    'guardrails[0].on[0]: expected one of before, after, found "during"',
    'guardrails[0].timeout: expected a duration above 0, such as 500ms, 2s, 5m or 1h, found "0s"',
    'guardrails[0].onError: expected one of block, pass, found "ignore"',
    'guardrails[0].streams: expected one of hold, pass, found "buffer"',
    "guardrails[1].on: expected a list of before, after or both, found an empty list",
    "guardrails[1].routes: expected a list of routes such as [assistant]; leave it out for all, found an empty list",
    "guardrails[1].headers.x-api-key: expected the value of a header, found a number: put it in quotes",
    "guardrails[2].hooks: unknown key `hooks`. Known keys: name, url, on, routes, timeout, onError, streams, headers, secret.",
    "guardrails[2].on: is missing: set when it is asked, such as [before]",
  ],
  "guardrails-of-nothing": [
    'guardrails[0].routes[0]: names "assistent", which is neither a deployment nor a route: did you mean "assistant"?',
    "guardrails[0].streams: has no effect: only guardrails with `on: [after]` hold streams",
    'guardrails[1].name: another guardrail is called "pii" too: rename one of them',
    'guardrails[2].headers["x api key"]: is not the name of a header: use letters, digits and dashes',
    "guardrails[2].headers.x-api-key: has a character that headers cannot contain, such as a line break: remove it",
  ],
  balances: [
    `routes.misspelt.balance: expected one of ${strategies}, found "latencey": did you mean "latency"?`,
    `routes.strategyless.balance: is missing: set a strategy, one of ${strategies}`,
    "routes.nobody.across: expected a list of at least one deployment's name, found nothing",
    "routes.nested.across[1]: expected the name of a deployment, found a mapping",
  ],
  budgets: [
    "budgets.list[0].amount: expected an amount of US dollars from 0 to 9000000, found -1",
    'budgets.list[0].window: expected hour, day, week, month, total, or a number of days such as 30 days, found "fortnight"',
    'budgets.list[0].timeZone: expected the name of a time zone, such as Europe/Berlin, found "Mars"',
    'budgets.list[1].then: expected refuse, or a mapping such as { use: cheap }, found "stop"',
    "budgets.list[1].alerts[0]: expected a share above 0 and up to 1, found 0",
    'budgets.onStoreLoss: expected one of allow, refuse, found "ignore"',
    "budgets.lease: expected a share above 0 and up to 1, found 2",
  ],
  "budgets-of-nothing": [
    "budgets.list[0]: limits key and route: name one of key, team, tag, route, deployment, vendor, or all: true",
    'budgets.list[0].route: "rr" does not exist: did you mean "r"?',
    'budgets.list[0].key: "x" is not in `keys`: did you mean "k"?',
    "budgets.list[1]: limits nothing: name one of key, team, tag, route, deployment, vendor, or all: true",
    'budgets.list[1].id: another budget has the id "one": rename one of them',
    'budgets.list[1].then.use: "q" does not exist: did you mean "r"?',
    'budgets.list[2].vendor: there is no vendor "openia": did you mean "openai"?',
    "budgets.list[3].then.use: has no effect on a budget of a deployment: at the limit its deployments are skipped. Leave out `then`",
    'budgets.list[4].key: "search" is not in `keys`. A key of the database is named by its id, such as key_2851f51d901a006fe54ee190.',
    'keys[0].budgets[0].then.use: "bb" does not exist: did you mean "b"?',
    'budgets: budgets need a database: add database: "sqlite:./understudy.db", or postgres://… for several gateways',
  ],
  operations: [
    "deployments.sonnet.operations: anthropic has none of these operations: remove the key",
    "deployments.cohere.operations: bedrock has only rerank: remove images.generations",
    'deployments.gpt-4o.operations[1]: expected one of completions, moderations, images.generations, images.edits, images.variations, audio.speech, audio.transcriptions, audio.translations, rerank, files, batches, realtime, found "reranking"',
  ],
  proxies: [
    "deployments.gpt-4o.proxy: expected the http or https address of a proxy, such as http://127.0.0.1:3128, found another text",
    "deployments.sonnet.proxy: expected the http or https address of a proxy, such as http://127.0.0.1:3128, found a number",
    "deployments.demo.proxy: unknown key `proxy`: a key of openai, anthropic and others, not of simulated. Known keys: provider, model, weight, limits, capabilities, operations, price, params, force, retry, timeout, circuit, cooldown, unsupportedParams, faults, seed, reply, latency, firstToken, tokenDelay, failureRate, status, retryAfter, disconnectAfterTokens, stallAfterTokens, outage.",
  ],
  "keep-alives": [
    "deployments.gpt-4o.sse: unknown key `sse`: it concerns the connection to the client; set it on an outermost route. Known keys: provider, model, weight, limits, capabilities, operations, price, params, force, retry, timeout, circuit, cooldown, unsupportedParams, faults, apiKey, apiKeys, baseUrl, organization, api, headers, local, proxy.",
    "routes.assistant.sse.keepAlive: is missing: set the interval between keep-alives, such as 15s",
    "routes.quick.fallback[0].sse: unknown key `sse`: it concerns the connection to the client; set it on an outermost route. Known keys: fallback, retry, timeout, stream, fallbackOn, accept, unsupportedParams, onContextWindow, onContentPolicy, onError.",
    "routes.quick.sse.comment: unknown key `comment`. Known keys: keepAlive.",
    'routes.quick.sse.keepAlive: expected a duration above 0, such as 500ms, 2s, 5m or 1h, found "0s"',
  ],
  caches: [
    "deployments.gpt-4o.cache: unknown key `cache`: it caches responses of whole calls; set it on an outermost route. Known keys: provider, model, weight, limits, capabilities, operations, price, params, force, retry, timeout, circuit, cooldown, unsupportedParams, faults, apiKey, apiKeys, baseUrl, organization, api, headers, local, proxy.",
    "routes.assistant.cache.ttl: is missing: set how long responses are cached, such as 5m",
    "routes.assistant.cache.max: expected a whole number above 0, found 0",
    "routes.quick.fallback[0].cache: unknown key `cache`: it caches responses of whole calls; set it on an outermost route. Known keys: fallback, retry, timeout, stream, fallbackOn, accept, unsupportedParams, onContextWindow, onContentPolicy, onError.",
    "routes.quick.cache.size: unknown key `size`. Known keys: ttl, max.",
    'routes.quick.cache.ttl: expected a duration above 0, such as 500ms, 2s, 5m or 1h, found "0ms"',
  ],
  circles: [
    "routes.one.fallback[1]: refers to itself: one -> two -> one",
    "routes.two: refers to itself: two -> one -> two",
    "routes.self[1]: refers to itself: self -> self",
  ],
  circuits: [
    "defaults.circuit.failures: expected a whole number above 0, found 0",
    "defaults.circuit.failureRateThreshold: expected a share above 0 and up to 1, found 50",
    'defaults.circuit.windowSize: expected a whole number above 0, found "none"',
  ],
  clashes: [
    'routes.gpt-4o: a deployment is called "gpt-4o" too: rename one of them',
    "routes.never: every deployment has weight 0: give at least one a higher weight",
    'routes.equals.across[0]: "never" is a route: a balance chooses among deployments',
  ],
  durations: [
    "defaults.retry.base: expected a duration, such as 500ms, 2s, 5m or 1h, found 500",
    'defaults.retry.max: expected a duration, such as 500ms, 2s, 5m or 1h, found "8 seconds"',
    'defaults.retry.maxRetryAfter: expected a duration, such as 500ms, 2s, 5m or 1h, found "5S"',
    'defaults.timeout.connect: expected a duration above 0, such as 500ms, 2s, 5m or 1h, found "0s"',
    'defaults.timeout.total: expected a duration above 0, such as 500ms, 2s, 5m or 1h, found "soon"',
    'deployments.demo.latency: expected a duration, such as 500ms, 2s, 5m or 1h, found "1s500ms"',
  ],
  empty: ["expected a mapping with `deployments` and perhaps `routes` and `defaults`, found nothing"],
  combinators: [
    "deployments.local.retry.budget: unknown key `budget`: it is shared by the whole route; set it under `defaults.retry` or on an outermost route. Known keys: times, timesByReason, base, max, maxRetryAfter.",
    "routes.quick.hedge.bugdet: unknown key `bugdet`: did you mean `budget`? Known keys: after, budget.",
    'routes.quick.hedge.after: expected a duration such as 800ms, or one of p50, p75, p90, p95, p99, found "p42"',
    "routes.hasty.hedge.after: is missing: set the delay before the second attempt, such as 800ms",
    "routes.picky.when[0].if.tag: unknown key `tag`: did you mean `tags`? Known keys: keys, tags, metadata, headers, inputTokens, requires, timeOfDay.",
    'routes.picky.when[0].if.requires[0]: expected one of tools, vision, audio, files, jsonSchema, reasoning, embeddings, found "visoin"',
    'routes.picky.when[0].if.timeOfDay[1]: expected a time of day in UTC, such as "06:30", in quotes, found 600: put it in quotes',
    "routes.picky.else: is missing: name the route for calls that match no case",
    "routes.open.when[0].if: is missing: set a condition, such as { tags: [vip] }",
    'routes.long.fallbackOn: expected `any`, found "always"',
    'routes.errors.onError[0].reasons[0]: expected the name of a reason: RateLimited, QuotaExhausted, Authentication, Permission, ModelNotFound, Overloaded, ServerError, Network, Malformed, NotAccepted, Timeout, LocalError, ContextWindowExceeded, ContentPolicy, InvalidRequest, Unsupported, found "Overload"',
    "routes.errors.onError[1].use: is missing: name the route to take",
    "routes.both: a route is either a `hedge` or a `when`: nest one in the other",
    "routes.canary.split[0].share: is missing: set the share of the calls, such as 10",
    "routes.canary.split[1].share: expected a number, 0 or more, found -1",
    'routes.canary.by: expected one of call, key, user, found "session"',
    "routes.empty.split: expected a list of { use: ROUTE, share: NUMBER }, found an empty list",
    'routes.quick.across[1]: names "locale", which is neither a deployment nor a route: did you mean "local"? There is "gpt-4o", "local", "picky", "both", "empty".',
    'routes.long.onContextWindow: names "nobody", which is neither a deployment nor a route. There is "gpt-4o", "local", "picky", "both", "empty", "quick", "hasty", "open", "long", "errors", "canary".',
    'routes.canary.split[2].use: names "locale", which is neither a deployment nor a route: did you mean "local"? There is "gpt-4o", "local", "picky", "both", "empty", "quick", "hasty", "open", "long", "errors", "canary".',
  ],
  "key-of-another-vendor": [
    "deployments.sonnet.region: unknown key `region`: a key of bedrock, not of anthropic. Known keys: provider, model, weight, limits, capabilities, operations, price, params, force, retry, timeout, circuit, cooldown, unsupportedParams, faults, apiKey, apiKeys, baseUrl, headers, local, proxy.",
    "deployments.east.apiKey: unknown key `apiKey`: a key of openai, anthropic and others, not of bedrock. Known keys: provider, model, weight, limits, capabilities, operations, price, params, force, retry, timeout, circuit, cooldown, unsupportedParams, faults, region, profile, accessKeyId, secretAccessKey, sessionToken, bearerToken, roleArn, roleSessionName, endpoint, proxy, guardrail, promptVariables.",
  ],
  ledger: [
    'ledger.keep: expected a duration above 0, such as 500ms, 2s, 5m or 1h, found "0s"',
    'ledger.flush: expected a duration above 0, such as 500ms, 2s, 5m or 1h, found "soon"',
    "ledger.spill.maxsize: unknown key `maxsize`: did you mean `maxSize`? Known keys: file, maxSize.",
  ],
  "ledger-without-database": [
    "ledger: needs a database: add `database: sqlite:./understudy.db` or a postgres:// address",
  ],
  limits: [
    "deployments.gpt-4o.limits.rpm: expected a whole number above 0, found 0",
    "deployments.gpt-4o.limits.tpm: expected a whole number above 0, found 1.5",
    "deployments.gpt-4o.limits.concurrency: expected a whole number above 0, found -1",
  ],
  queues: [
    'keys[0].limits.queue.priority: expected one of high, normal, low, found "urgent"',
    "deployments.gpt-4o.limits.queue.max: expected a whole number, 0 or more, found -1",
    'deployments.gpt-4o.limits.queue.maxWait: expected a duration above 0, such as 500ms, 2s, 5m or 1h, found "soon"',
    'deployments.gpt-4o.limits.queue.fallback: expected one of first, last, found "never"',
    "deployments.sonnet.queue: unknown key `queue`: set it under `limits`. Known keys: provider, model, weight, limits, capabilities, operations, price, params, force, retry, timeout, circuit, cooldown, unsupportedParams, faults, apiKey, apiKeys, baseUrl, headers, local, proxy.",
    "deployments.local.limits.queue.priority: unknown key `priority`: it belongs to the caller; set it in the limits of a key or a team. Known keys: max, maxWait, fallback.",
  ],
  "misplaced-timeouts": [
    "deployments.gpt-4o.timeout.total: unknown key `total`: it limits the whole call; set it under `defaults.timeout` or on an outermost route. Known keys: connect, firstToken, reasoning, idle, attempt.",
    "routes.assistant.fallback[1].timeout.total: unknown key `total`: it limits the whole call; set it under `defaults.timeout` or on an outermost route. Known keys: firstToken, reasoning, idle, attempt.",
    "routes.assistant.timeout.connect: unknown key `connect`: it concerns connections to providers; set it under `defaults.timeout` or in a deployment. Known keys: firstToken, reasoning, idle, attempt, total, write.",
  ],
  "missing-comma": ["line 3: not YAML: expected ','"],
  "misspelt-keys": [
    "server.prot: unknown key `prot`: did you mean `port`? Known keys: port, host, workers, maxBody, allowUnauthenticated, allowedHosts, allowedOrigins, expose, drain, overload, realtime, limits.",
    "server.allowed_hosts: unknown key `allowed_hosts`: did you mean `allowedHosts`? Known keys: port, host, workers, maxBody, allowUnauthenticated, allowedHosts, allowedOrigins, expose, drain, overload, realtime, limits.",
    "defaults.timout: unknown key `timout`: did you mean `timeout`? Known keys: retry, timeout, circuit, cooldown, stream, unsupportedParams.",
    "defaults.retry.time: unknown key `time`: did you mean `times`? Known keys: times, timesByReason, base, max, maxRetryAfter, budget.",
    "deployments.gpt-4o.api_key: unknown key `api_key`: did you mean `apiKey`? Known keys: provider, model, weight, limits, capabilities, operations, price, params, force, retry, timeout, circuit, cooldown, unsupportedParams, faults, apiKey, apiKeys, baseUrl, organization, api, headers, local, proxy.",
    "deployments.gpt-4o.limits.RPM: unknown key `RPM`: did you mean `rpm`? Known keys: rpm, tpm, rpd, concurrency, queue.",
  ],
  "key-pools": [
    'deployments.unset.apiKeys[1]: the environment variable SECOND_KEY is not set: set it, add it to .env, or write "${SECOND_KEY:-default}"',
    'deployments.empty.apiKeys: expected a list of at least one secret text, such as ["${API_KEY_1}", "${API_KEY_2}"], found an empty list',
    'deployments.one.apiKeys: expected a list of at least one secret text, such as ["${API_KEY_1}", "${API_KEY_2}"], found the value of "${OPENAI_API_KEY}"',
    "deployments.both.apiKeys: apiKey is set too: move it into the list, and remove apiKey",
    "deployments.twice.apiKeys[2]: is the same key as deployments.twice.apiKeys[0]: list each key once",
    'deployments.blank.apiKeys[1]: expected a secret text, such as "${API_KEY}", found an empty text',
    'deployments.blank.apiKeys[2]: expected a secret text, such as "${API_KEY}", found a number: put it in quotes',
    "deployments.elsewhere.apiKeys: unknown key `apiKeys`: a key of openai, anthropic and others, not of bedrock. Known keys: provider, model, weight, limits, capabilities, operations, price, params, force, retry, timeout, circuit, cooldown, unsupportedParams, faults, region, profile, accessKeyId, secretAccessKey, sessionToken, bearerToken, roleArn, roleSessionName, endpoint, proxy, guardrail, promptVariables.",
  ],
  "misspelt-sections": [
    `default: unknown key \`default\`: did you mean \`defaults\`? Known keys: ${sections}.`,
    `route: unknown key \`route\`: did you mean \`routes\`? Known keys: ${sections}.`,
  ],
  "no-deployments": ["deployments: expected a mapping of names to deployments, found nothing"],
  "no-model": [
    "deployments.gpt-4o.model: is missing: name the model by its vendor's id, such as gpt-4o",
    "deployments.four.model: expected the vendor's id of a model, found 4: put it in quotes",
    'deployments.blank.model: expected the vendor\'s id of a model, found ""',
  ],
  "one-broken-does-not-hide-another": [
    'deployments.gpt-4o.limits.rpm: expected a whole number above 0, found "many"',
    "routes.broken.fallback[1]: expected a name, a list of names, or a mapping with `fallback`, `balance`, `hedge`, `when` or `split`, found 3",
    'routes.broken.fallback[2]: names "nobody", which is neither a deployment nor a route. There is "gpt-4o", "broken", "sound".',
  ],
  responses: [
    "responses.kept: unknown key `kept`. Known keys: store, keep, background, webSocket.",
    'responses.store: expected true or false, found "perhaps"',
    'responses.keep: expected a duration above 0, such as 500ms, 2s, 5m or 1h, found "never"',
  ],
  "responses-without-database": [
    "responses.store: needs a database: add `database: sqlite:./understudy.db` or a postgres:// address",
  ],
  secrets: [
    'deployments.gpt-4o.apiKey: expected a secret text, such as "${API_KEY}", found a number: put it in quotes',
    "deployments.gpt-4o.headers.x-token: expected a header's value, a text, found a number: put it in quotes",
    'deployments.sonnet.apiKey: expected a secret text, such as "${API_KEY}", found a mapping',
    'deployments.blank.apiKey: expected a secret text, such as "${API_KEY}", found an empty text',
  ],
  "server-hosts": [
    'server.maxBody: expected a size, such as 512kb, 20mb or 1gb, found "20 megabytes"',
    'server.allowedHosts[0]: expected a host name without scheme or port, such as gateway.internal, found "gateway.internal:4000"',
    "server.allowedHosts[1]: expected a host name without scheme or port, such as gateway.internal, found 7: put it in quotes",
  ],
  server: [
    "server.port: expected a port, 1 to 65535, or 0 for any free one, found 70000",
    'server.host: expected an address to listen on, such as 127.0.0.1, found ""',
    "server.maxBody: expected a size, such as 512kb, 20mb or 1gb, found 20",
    'server.allowUnauthenticated: expected true or false, found "yes"',
    'server.allowedHosts: expected a list of host names, such as [gateway.internal], found "gateway.internal"',
    'server.allowedOrigins[0]: expected an origin without a path or a wildcard, such as https://chat.example.com, found "https://chat.example.com/app"',
    'server.allowedOrigins[1]: expected an origin without a path or a wildcard, such as https://chat.example.com, found "*"',
    'server.allowedOrigins[2]: expected an origin without a path or a wildcard, such as https://chat.example.com, found "https://*.example.com"',
    'server.allowedOrigins[3]: expected an origin without a path or a wildcard, such as https://chat.example.com, found "null"',
    "server.drain: expected a mapping such as { delay: 5s, timeout: 30s }, found 30",
    "server.overload.call: unknown key `call`: did you mean `calls`? Known keys: delay, calls.",
    'server.overload.delay: expected a duration above 0, such as 500ms, 2s, 5m or 1h, found "0s"',
    "server.overload.calls: expected a whole number above 0, found 0.5",
  ],
  "server-overload": [
    "server.overload: expected false, or a mapping such as { delay: 500ms, calls: 10000 }, found true",
  ],
  state: [
    "state.postgres: unknown key `postgres`. Known keys: redis.",
    "state.redis: expected a Redis address, such as redis://127.0.0.1:6379, found another text",
  ],
  "shapeless-routes": [
    "routes.misspelt.falback: unknown key `falback`: did you mean `fallback`? Known keys: fallback, balance, hedge, when, split, else, by, across, affinity, retry, timeout, cache, sse, shadow, faults, stream, fallbackOn, accept, unsupportedParams, onContextWindow, onContentPolicy, onError.",
    "routes.empty: expected a list of at least one name or route, found an empty list",
    "routes.nothing: expected a name, a list of names, or a mapping with `fallback`, `balance`, `hedge`, `when` or `split`, found an empty mapping",
    "routes.blank: expected a name, a list of names, or a mapping with `fallback`, `balance`, `hedge`, `when` or `split`, found nothing",
    "routes.both: a route is either a `fallback` or a `balance`: nest one in the other",
    "routes.number: expected a name, a list of names, or a mapping with `fallback`, `balance`, `hedge`, `when` or `split`, found 3",
    'routes.single.fallback: expected a list of at least one name or route, found "gpt-4o"',
  ],
  shadows: [
    "deployments.gpt-4o.shadow: unknown key `shadow`: it copies whole calls; set it on an outermost route. Known keys: provider, model, weight, limits, capabilities, operations, price, params, force, retry, timeout, circuit, cooldown, unsupportedParams, faults, apiKey, apiKeys, baseUrl, organization, api, headers, local, proxy.",
    "routes.assistant.shadow.concurency: unknown key `concurency`: did you mean `concurrency`? Known keys: to, share, concurrency, timeout.",
    "routes.assistant.shadow.to: is missing: name the route or the deployment that gets the shadow calls",
    "routes.assistant.shadow.share: expected a share above 0 and up to 1, found 10",
    "routes.nested[0].shadow: unknown key `shadow`: it copies whole calls; set it on an outermost route. Known keys: fallback, retry, timeout, stream, fallbackOn, accept, unsupportedParams, onContextWindow, onContentPolicy, onError.",
    'routes.lost.shadow.to: names "candidat", which is neither a deployment nor a route: did you mean "candidate"? There is "gpt-4o", "candidate", "assistant", "nested", "lost", "self".',
    "routes.self.shadow.to: refers to itself: self -> self",
  ],
  simulated: [
    "deployments.demo.tokenDealy: unknown key `tokenDealy`: did you mean `tokenDelay`? Known keys: provider, model, weight, limits, capabilities, operations, price, params, force, retry, timeout, circuit, cooldown, unsupportedParams, faults, seed, reply, latency, firstToken, tokenDelay, failureRate, status, retryAfter, disconnectAfterTokens, stallAfterTokens, outage.",
    "deployments.demo.seed: expected a whole number, found 1.5",
    "deployments.demo.failureRate: expected a share from 0 to 1, found 20",
    "deployments.demo.status: expected an HTTP status from 400 to 599, found 200",
    "deployments.demo.disconnectAfterTokens: expected a whole number, 0 or more, found -1",
    'deployments.demo.outage: expected a window, such as { from: 10s, for: 1m }, found "30s"',
  ],
  "strange-variable": [
    'deployments.gpt-4o.model: "${OPENAI MODEL}" is not a valid variable: write "${NAME}" or "${NAME:-default}"',
    'deployments.gpt-4o.apiKey: "${OPENAI_API_KEY:?}" is not a valid variable: write "${NAME}" or "${NAME:-default}"',
  ],
  tab: ["line 2: not YAML: tabs cannot be used for YAML indentation"],
  twice: ["line 3: not YAML: duplicate key 'gpt-4o'"],
  "unclosed-quote": ["line 4: not YAML: unterminated quoted YAML scalar"],
  "unknown-names": [
    'routes.assistant[0]: names "gpt4o", which is neither a deployment nor a route: did you mean "gpt-4o"? There is "gpt-4o", "sonnet", "assistant", "nested".',
    'routes.assistant[1].across[0]: names "sonet", which is neither a deployment nor a route: did you mean "sonnet"? There is "gpt-4o", "sonnet".',
    'routes.nested.fallback[0][0]: names "haiku", which is neither a deployment nor a route. There is "gpt-4o", "sonnet", "assistant", "nested".',
  ],
  "unknown-provider": [
    `deployments.gpt-4o.provider: expected one of ${vendors}, found "OpenAI": did you mean "openai"?`,
    `deployments.cohere.provider: expected one of ${vendors}, found "cohere"`,
    `deployments.nameless.provider: is missing: set it to one of ${vendors}`,
  ],
  "unquoted-variable-and-missing-brace": [
    'deployments.gpt-4o.headers.x-key: "${OPENAI_API_KEY" has no closing brace: inside { } or [ ] a variable must be quoted, as in "${NAME}"',
  ],
  "unquoted-variable-in-many-lines": [
    'line 4: ${OPENAI_API_KEY} must be quoted inside { } and [ ]: write "${OPENAI_API_KEY}"',
  ],
  "unquoted-variable": ['line 2: ${OPENAI_API_KEY} must be quoted inside { } and [ ]: write "${OPENAI_API_KEY}"'],
  "unset-variables": [
    'server.host: the environment variable LISTEN_ON is not set: set it, add it to .env, or write "${LISTEN_ON:-default}"',
    'deployments.gpt-4o.apiKey: the environment variable OPENAI_KEY is not set: set it, add it to .env, or write "${OPENAI_KEY:-default}"',
    'deployments.eu.provider: the environment variable VENDOR is not set: set it, add it to .env, or write "${VENDOR:-default}"',
  ],
  "variable-of-another-kind": [
    'deployments.gpt-4o.limits.rpm: expected a whole number above 0, found the value of "${OPENAI_API_KEY}"',
    'deployments.gpt-4o.baseUrl: expected an http or https address, such as http://127.0.0.1:11434/v1, found the value of "${OPENAI_API_KEY}"',
  ],
  streams: [
    "defaults.stream.buffers: unknown key `buffers`: did you mean `buffer`? Known keys: protect, buffer.",
    'defaults.stream.protect: expected one of preamble, continue, full, found "always"',
    "deployments.gpt-4o.stream: unknown key `stream`: set it on a route or under `defaults`. Known keys: provider, model, weight, limits, capabilities, operations, price, params, force, retry, timeout, circuit, cooldown, unsupportedParams, faults, apiKey, apiKeys, baseUrl, organization, api, headers, local, proxy.",
    "routes.assistant.stream.buffer: expected a size, such as 512kb, 20mb or 1gb, found 4",
  ],
  "wrong-kinds": [
    'deployments.gpt-4o.weight: expected a number, 0 or more, found "heavy"',
    "deployments.gpt-4o.limits: expected a mapping of rpm, tpm, rpd, concurrency, queue, found 60",
    'deployments.gpt-4o.capabilities.tools: expected true or false, found "sometimes"',
    'deployments.gpt-4o.capabilities.contextWindow: expected a whole number above 0, found "128k"',
    "deployments.gpt-4o.price.input: expected a number, 0 or more, found -1",
    "deployments.gpt-4o.price.output: is missing: set the price of a million output tokens, in US dollars",
    'deployments.gpt-4o.headers: expected a mapping of header names to texts, such as { "x-team": "search" }, found a list',
    'deployments.sonnet: expected a mapping such as { provider: openai, model: gpt-4o }, found "claude-sonnet-4-5"',
  ],
}

const folder = new URL("../fixtures/broken/", import.meta.url)

const environment = ConfigProvider.fromEnvRecord({ OPENAI_API_KEY: "sk-from-environment" })

const messages = (file: string) =>
  Config.parse(readFileSync(new URL(file, folder), "utf8"), file).pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, environment),
    Effect.flip,
    Effect.map(({ problems }) => problems.map(({ message, path }) => (path === "" ? message : `${path}: ${message}`))),
  )

describe("broken configurations", () => {
  for (const file of readdirSync(folder)) {
    it.effect(file, () =>
      Effect.map(messages(file), (found) => assert.deepStrictEqual(found, expected[file.replace(".yaml", "")])),
    )
  }

  it.effect("never show what a variable holds, nor a credential that was written down", () =>
    Effect.map(Effect.forEach(readdirSync(folder), messages), (all) =>
      assert.notMatch(all.flat().join("\n"), /sk-from-environment|123456789|987654321|hunter2/),
    ),
  )
})
