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

export const seen = []

// The shape of fetch, which is all that the libraries ask for.
export async function fetchThroughGateway(url, options = {}) {
  const headers = Object.fromEntries(new Headers(options.headers).entries())
  const body = options.body === undefined || options.body === null ? undefined : Buffer.from(String(options.body))
  if (body) headers['content-length'] = String(body.length)
  if (options.body instanceof URLSearchParams) headers['content-type'] ??= 'application/x-www-form-urlencoded;charset=UTF-8'
  return new Promise((resolve, reject) => {
    const lookup = (_host, wanted, done) => (wanted.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4))
    const sent = request(new URL(url), { method: options.method ?? 'GET', headers, ca, lookup, agent: false, ...certificate }, (answer) => {
      const pieces = []
      answer.on('data', (piece) => pieces.push(piece))
      answer.on('end', () => {
        seen.push(`${options.method ?? 'GET'} ${new URL(url).pathname} ${answer.statusCode}`)
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

// The test signs a person in at this address; gives back where the browser was sent.
export async function signIn(url) {
  process.stdout.write(JSON.stringify({ open: String(url) }) + '\n')
  return new URL((await lines.next()).value)
}

export async function run(scenarios) {
  try {
    const result = await scenarios[settings.scenario]()
    process.stdout.write(JSON.stringify({ done: result, seen }) + '\n')
    process.exit(0)
  } catch (error) {
    const cause = error.cause instanceof Error ? String(error.cause) : error.cause
    process.stdout.write(JSON.stringify({ failed: `${error.stack}\n${JSON.stringify(cause)}\n${JSON.stringify(error.error_description)}`, seen }) + '\n')
    process.exit(1)
  }
}
