// A foreign client in conversation with a test: reads one JSON line after the other from standard input, answers with JSON lines.
// KAPI_PROXY leads to the platform; its certificate authority comes by NODE_EXTRA_CA_CERTS, so TLS is verified.
import { createInterface } from 'node:readline'
import { ProxyAgent, fetch as proxied } from 'undici'

const dispatcher = new ProxyAgent(process.env.KAPI_PROXY)
export const fetchThrough = (url, options) => proxied(url, { ...options, dispatcher })

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
export const say = (value) => process.stdout.write(JSON.stringify(value) + '\n')
export const hear = async () => JSON.parse((await lines.next()).value)

export async function converse(flow) {
  try {
    await flow(await hear())
    process.exit(0)
  } catch (error) {
    say({ failed: `${error.name} ${error.code ?? ''} ${error.message}`, cause: String(error.cause?.body ? JSON.stringify(error.cause.body) : error.cause ?? '') })
    process.exit(1)
  }
}
