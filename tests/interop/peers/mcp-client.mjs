// A client of the official SDK: what an MCP server behind the gateway offers, and what its tools answer.
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

const settings = JSON.parse(process.argv[2])
const client = new Client({ name: 'kapi-proof', version: '1.0.0' })
const headers = { Authorization: `Bearer ${settings.token}` }
await client.connect(new StreamableHTTPClientTransport(new URL(settings.url), { requestInit: { headers } }))
const tools = (await client.listTools()).tools.map((tool) => tool.name)
const results = []
for (const [name, args] of settings.calls) {
  try {
    results.push(await client.callTool({ name, arguments: args }))
  } catch (error) {
    results.push({ code: error.code, message: error.message })
  }
}
await client.close()
process.stdout.write(JSON.stringify({ tools, results }) + '\n')
