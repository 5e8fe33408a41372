// A test provider for Node's test runner: `kapi up --port 0 --ephemeral --testing`, or the provider alone.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** Starts the provider alone, over http: `await using kapi = await start()`. `command` may be another interpreter. */
export async function start({ command = process.env.KAPI_PYTHON ?? 'python3', seed } = {}) {
  const process_ = spawn(command, ['-m', 'kapi.testing.sockets', '0', ...(seed ? [seed] : [])], { stdio: ['ignore', 'pipe', 'inherit'] })
  const first = createInterface({ input: process_.stdout })[Symbol.asyncIterator]()
  const { value, done } = await first.next()
  if (done) throw new Error('kapi ended before it was ready')
  return new Kapi(process_, JSON.parse(value))
}

export class Kapi {
  constructor(process_, state) {
    this.process = process_
    this.state = state
  }

  /** An issuer of its own: `{name, seed, level}`, or `{emulate: 'auth0', parameters: {domain: …}}`. */
  async issuer(wish) {
    return new Issuer(this, await this.power('POST', 'issuers', wish))
  }

  async power(method, path, body) {
    const answer = await fetch(`${this.state.control}/${path}`, {
      method,
      headers: body ? { 'content-type': 'application/json' } : {},
      body: body && JSON.stringify(body),
    })
    const value = await answer.json()
    if (!answer.ok) throw new Error(value.error_description ?? JSON.stringify(value))
    return value
  }

  async stop() {
    const ended = new Promise((resolve) => this.process.once('exit', resolve))
    this.process.kill('SIGTERM')
    await ended
  }
}

export class Issuer {
  constructor(kapi, state) {
    this.kapi = kapi
    this.state = state
    this.url = state.issuer
    this.discoveryUrl = state.discovery
  }

  #power(method, path, body) {
    return this.kapi.power(method, `issuers/${this.state.name}/${path}`, body)
  }

  async token(wish = {}) {
    return (await this.#power('POST', 'mint', wish)).token
  }

  mint(recipe, wish = {}) {
    return this.token({ recipe, ...wish })
  }

  fault(kind, more = {}) {
    return this.#power('POST', 'faults', { kind, ...more })
  }

  travel(seconds) {
    return this.#power('PUT', 'clock', { travel: seconds })
  }

  keys(action) {
    return this.#power('POST', 'keys', { action })
  }

  /** Rejects with the journal unless there were such requests. */
  called(endpoint, wanted = {}) {
    return this.#power('POST', 'journal/verify', { endpoint, ...wanted })
  }
}
