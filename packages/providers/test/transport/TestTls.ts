/**
 * A TLS server in front of another, with a certificate for `localhost` that this process trusts. It was made for these
 * tests and is useless elsewhere.
 */
import type { AddressInfo } from "node:net"
import { connect } from "node:net"
import { createServer, getCACertificates, setDefaultCACertificates } from "node:tls"
import * as Effect from "effect/Effect"

const cert = `-----BEGIN CERTIFICATE-----
MIIBnDCCAUGgAwIBAgIUSOQN+Y7+x8fsGVX54qydFdIX7KIwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyOTAxMDIzM1oYDzIxMjYxMTA1
MDEwMjMzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASesivmQuJED4JgS9/5P8BIa5nNUenx4DPB2lmhVwqJySxr9fPoPOr1
xRzXRCMHYAKKFYOFloGSKJXsBNMbXlNso28wbTAdBgNVHQ4EFgQU0ksNk3NECxx8
ET3tus8nPgtU060wHwYDVR0jBBgwFoAU0ksNk3NECxx8ET3tus8nPgtU060wDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSQAwRgIhAM9XcRydPPSwZIGxoaF9axl7buIx6eukfwZ/e93PeyE4AiEA
tmTmCJVp3kEdZXfudsdM+8H6/9eVfpII/cCaV4OLkwo=
-----END CERTIFICATE-----`

const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg+IVbJ3aMhApttZv4
MGiN7x8y0tK/Cg/x9TxRGgw6MkuhRANCAASesivmQuJED4JgS9/5P8BIa5nNUenx
4DPB2lmhVwqJySxr9fPoPOr1xRzXRCMHYAKKFYOFloGSKJXsBNMbXlNs
-----END PRIVATE KEY-----`

/** The server's URL: it forwards to `url`. */
export const before = (url: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<ReturnType<typeof createServer>>((resume) => {
        setDefaultCACertificates([...getCACertificates("default"), cert])
        const server = createServer({ cert, key }, (socket) => {
          const upstream = connect(Number(new URL(url).port), "127.0.0.1")
          socket.pipe(upstream).on("error", () => socket.destroy())
          upstream.pipe(socket).on("error", () => upstream.destroy())
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close()),
    ),
    (server) => `https://localhost:${(server.address() as AddressInfo).port}`,
  )
