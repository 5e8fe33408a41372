// How the foreign clients of these tests reach the platform: its host names lead to loopback, its development CA is trusted,
// and a client certificate goes along when there is one. Questions to the test go out as lines of JSON; it answers with lines.
import { webcrypto } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { createInterface } from 'node:readline'

globalThis.crypto ??= webcrypto

export const settings = JSON.parse(process.argv[2])
const ca = readFileSync(settings.ca)
const certificate = settings.certificate ? { cert: readFileSync(settings.certificate), key: readFileSync(settings.key) } : {}
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const say = (value) => process.stdout.write(JSON.stringify(value) + '\n')

// What was sent: method, path and status of each request; and the last one with its headers.
export const seen = []
export const last = {}

// The shape of fetch, which is all that the libraries ask for.
export async function fetchThroughGateway(url, options = {}) {
  const headers = Object.fromEntries(new Headers(options.headers).entries())
  const body = options.body === undefined || options.body === null ? undefined : Buffer.from(String(options.body))
  if (body) headers['content-length'] = String(body.length)
  if (options.body instanceof URLSearchParams) headers['content-type'] ??= 'application/x-www-form-urlencoded;charset=UTF-8'
  const method = options.method ?? 'GET'
  Object.assign(last, { url: String(url), method, headers })
  return new Promise((resolve, reject) => {
    const lookup = (_host, wanted, done) => (wanted.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4))
    const sent = request(new URL(url), { method, headers, ca, lookup, agent: false, ...certificate }, (answer) => {
      const pieces = []
      answer.on('data', (piece) => pieces.push(piece))
      answer.on('end', () => {
        seen.push(`${method} ${new URL(url).pathname} ${answer.statusCode}`)
        const fields = Object.entries(answer.headersDistinct).flatMap(([name, values]) => values.map((value) => [name, value]))
        const content = [204, 304].includes(answer.statusCode) ? null : Buffer.concat(pieces)
        resolve(new Response(content, { status: answer.statusCode, headers: fields }))
      })
      answer.on('error', reject)
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

async function ask(question) {
  say(question)
  return JSON.parse((await lines.next()).value)
}

// The test signs a person in at this address; gives back where the browser was sent, or the request that it would post there.
export async function signIn(url) {
  const { location, form } = await ask({ ask: 'open', url: String(url) })
  if (!form) return new URL(location)
  return new Request(location, { method: 'POST', body: new URLSearchParams(form) })
}

// The person finds this code at this address, and allows it.
export const allowDevice = (url, code) => ask({ ask: 'device', url, code })

// The person finds this message among what waits for an approval, and approves.
export const approve = (message) => ask({ ask: 'approve', message })

export async function importKey(jwk, algorithm = 'ES256') {
  const names = { ES256: { name: 'ECDSA', namedCurve: 'P-256' }, PS256: { name: 'RSA-PSS', hash: 'SHA-256' } }
  return { key: await crypto.subtle.importKey('jwk', jwk, names[algorithm], false, ['sign']), kid: jwk.kid }
}

// How a client proves who it is, with the functions of either library.
export async function authentication(library) {
  const made = {
    client_secret_basic: () => library.ClientSecretBasic(settings.secret),
    client_secret_post: () => library.ClientSecretPost(settings.secret),
    client_secret_jwt: () => library.ClientSecretJwt(settings.secret),
    private_key_jwt: async () => library.PrivateKeyJwt(await importKey(settings.jwk, settings.algorithm)),
    tls_client_auth: () => library.TlsClientAuth(),
    self_signed_tls_client_auth: () => library.TlsClientAuth(),
    none: () => library.None(),
  }
  return made[settings.method]()
}

export async function run(scenarios) {
  try {
    const result = await scenarios[settings.scenario]()
    say({ done: result, seen })
    process.exit(0)
  } catch (error) {
    const cause = error.cause instanceof Error ? String(error.cause) : error.cause
    say({ failed: `${error.stack}\n${JSON.stringify(cause)}\n${JSON.stringify(error.error_description)}`, seen })
    process.exit(1)
  }
}
